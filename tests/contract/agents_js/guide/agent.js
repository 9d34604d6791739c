const toolRegistry = require('./src/services/tool-registry');
const llm = require('./src/services/llm-enhanced');

const codeTools = toolRegistry.getToolDefinitions([
  'code_execute_python',
  'code_generate_chart',
  'code_analyze_data',
]);

const response = await llm.callWithTools({
  provider: 'anthropic',
  messages: [
    {
      role: 'user',
      content: 'Analyze this sales data and create a bar chart: [{month: "Jan", sales: 1200}, {month: "Feb", sales: 1500}, {month: "Mar", sales: 1300}]',
    },
  ],
  tools: codeTools,
}, {
  code_execute_python: toolRegistry.getTool('code_execute_python').handler,
  code_generate_chart: toolRegistry.getTool('code_generate_chart').handler,
  code_analyze_data: toolRegistry.getTool('code_analyze_data').handler,
});

// LLM will automatically:
// 1. Use code_analyze_data to get statistics
// 2. Use code_generate_chart to create the visualization
// 3. Return insights in natural language
