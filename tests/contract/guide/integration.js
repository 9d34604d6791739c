const axios = require('axios');
const assert = require('assert');

async function testCodeInterpreter() {
  const base = 'http://localhost:8080/code-interpreter';
  const headers = { 'Authorization': `Bearer ${process.env.SUPABASE_KEY}` };

  // Test Python execution
  const { data: pythonResult } = await axios.post(`${base}/python`, {
    code: 'result = 2 + 2\nprint(f"Result: {result}")',
  }, { headers });

  assert.strictEqual(pythonResult.success, true);
  assert(pythonResult.output.includes('Result: 4'));

  // Test JavaScript execution
  const { data: jsResult } = await axios.post(`${base}/javascript`, {
    code: 'const x = 10; const y = 20; return x + y;',
  }, { headers });

  assert.strictEqual(jsResult.success, true);
  assert.strictEqual(jsResult.returnValue, 30);

  // Test data analysis
  const { data: analysisResult } = await axios.post(`${base}/analyze`, {
    data: [
      { name: 'Alice', score: 85 },
      { name: 'Bob', score: 92 },
    ],
    analysisType: 'summary',
  }, { headers });

  assert.strictEqual(analysisResult.success, true);
  assert(analysisResult.output.includes('score'));

  console.log('✅ All code interpreter tests passed!');
}

testCodeInterpreter().catch(console.error);
