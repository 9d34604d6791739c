"""The JavaScript examples of the gallery: the seed guide's."""

from __future__ import annotations

from gateway.service.examples.example import BASE, Example


def _javascript(title: str, description: str, code: str, output: str) -> Example:
    return Example(title, description, f"{BASE}/javascript", {"code": code.strip() + "\n"}, output, "javascript")


JAVASCRIPT = (
    _javascript(
        "Hello from JavaScript",
        "Code is the body of an async function: what it returns is `returnValue`, here 42.",
        'console.log("Hello from JS!"); return 42;',
        "Hello from JS!\n",
    ),
    _javascript(
        "Fibonacci in JavaScript",
        "Values are printed as Node prints them.",
        """
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
""",
        "Fibonacci sequence: [\n  0, 1,  1,  2,  3,\n  5, 8, 13, 21, 34\n]\n",
    ),
    _javascript(
        "Quicksort in JavaScript",
        "Returns an object.",
        """
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
""",
        "Unsorted: [\n  64, 34, 25, 12,\n  22, 11, 90\n]\nSorted: [\n  11, 12, 22, 25,\n  34, 64, 90\n]\n",
    ),
)
