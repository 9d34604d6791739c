const { data } = await axios.post('http://localhost:8080/code-interpreter/javascript', {
  code: `
function fibonacci(n) {
  const fib = [0, 1];
  for (let i = 2; i < n; i++) {
    fib[i] = fib[i-1] + fib[i-2];
  }
  return fib;
}

const result = fibonacci(10);
console.log("Fibonacci sequence:", result);
return result;
  `,
});

console.log(data.returnValue); // [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
