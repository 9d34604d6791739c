const axios = require('axios');

const { data } = await axios.post('http://localhost:8080/code-interpreter/python', {
  code: `
import math

# Calculate factorial
result = math.factorial(10)
print(f"10! = {result}")
  `,
}, {
  headers: { 'Authorization': `Bearer ${token}` },
});

console.log(data);
// Output:
// {
//   success: true,
//   output: "10! = 3628800\n",
//   executionTime: 123,
//   exitCode: 0
// }
