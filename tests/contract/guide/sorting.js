// Test sorting algorithms
const { data } = await axios.post('/code-interpreter/javascript', {
  code: `
function quickSort(arr) {
  if (arr.length <= 1) return arr;
  const pivot = arr[Math.floor(arr.length / 2)];
  const left = arr.filter(x => x < pivot);
  const middle = arr.filter(x => x === pivot);
  const right = arr.filter(x => x > pivot);
  return [...quickSort(left), ...middle, ...quickSort(right)];
}

const unsorted = [64, 34, 25, 12, 22, 11, 90];
const sorted = quickSort(unsorted);

console.log("Unsorted:", unsorted);
console.log("Sorted:", sorted);

return { unsorted, sorted };
  `,
});
