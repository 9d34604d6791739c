"""The example gallery: the seed guide's examples and more, each executed by a test with the output shown here."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.core.model import Json
from gateway.service.examples.example import BASE, Example
from gateway.service.examples.javascript import JAVASCRIPT
from kernels.contract import Language

__all__ = ["EXAMPLES", "Example", "Gallery"]

CHART_OUTPUT = "Chart saved successfully\n"


class Gallery:
    """All examples of the languages that kernels can be had for."""

    def __init__(self, languages: Collection[Language]) -> None:
        self._examples = tuple(example for example in EXAMPLES if example.language in languages)

    def list(self) -> Sequence[Example]:
        """The examples, simple ones first."""
        return self._examples


def _python(title: str, description: str, code: str, output: str) -> Example:
    return Example(title, description, f"{BASE}/python", {"code": code.strip() + "\n"}, output)


def _chart(title: str, description: str, code: str) -> Example:
    return Example(title, description, f"{BASE}/chart", {"code": code.strip() + "\n"}, CHART_OUTPUT)


def _analysis(title: str, description: str, data: Json, kind: str, output: str) -> Example:
    return Example(title, description, f"{BASE}/analyze", {"data": data, "analysisType": kind}, output)


def _math(title: str, description: str, expression: str, output: str) -> Example:
    return Example(title, description, f"{BASE}/math", {"expression": expression}, output)


PEOPLE: Json = [
    {"name": "Alice", "age": 25, "score": 85},
    {"name": "Bob", "age": 30, "score": 92},
    {"name": "Charlie", "age": 35, "score": 78},
]

SUMMARY = """
Data Summary:
        age  score
count   3.0    3.0
mean   30.0   85.0
std     5.0    7.0
min    25.0   78.0
25%    27.5   81.5
50%    30.0   85.0
75%    32.5   88.5
max    35.0   92.0

Data Types:
name       str
age      int64
score    int64

Missing Values:
name     0
age      0
score    0
"""
STATS = "\nDetailed Statistics:\n\ntemp:\n  mean: 14\n  median: 16\n  std: 9.16515139\n  min: 4\n  max: 22\n"

EXAMPLES: tuple[Example, ...] = (
    _python("Hello, World!", "The shortest program.", "print('Hello, World!')", "Hello, World!\n"),
    _python(
        "Factorial",
        "A calculation with the standard library.",
        """
import math

# Calculate factorial
result = math.factorial(10)
print(f"10! = {result}")
""",
        "10! = 3628800\n",
    ),
    _python(
        "Describe a table",
        "A pandas DataFrame, its statistics and an average.",
        """
import pandas as pd
import numpy as np

# Create sample data
df = pd.DataFrame({
    'name': ['Alice', 'Bob', 'Charlie', 'Diana'],
    'age': [25, 30, 35, 28],
    'score': [85, 92, 78, 95]
})

print("Data:")
print(df)
print("\\nStatistics:")
print(df.describe())
print(f"\\nAverage score: {df['score'].mean():.2f}")
""",
        """Data:
      name  age  score
0    Alice   25     85
1      Bob   30     92
2  Charlie   35     78
3    Diana   28     95

Statistics:
             age      score
count   4.000000   4.000000
mean   29.500000  87.500000
std     4.203173   7.593857
min    25.000000  78.000000
25%    27.250000  83.250000
50%    29.000000  88.500000
75%    31.250000  92.750000
max    35.000000  95.000000

Average score: 87.50
""",
    ),
    _python(
        "Confidence interval",
        "Mean, median, standard deviation and a 95% interval with SciPy.",
        """
import numpy as np
from scipy import stats

# Statistical analysis
data = [23, 45, 56, 78, 12, 34, 56, 78, 90, 12]
mean = np.mean(data)
median = np.median(data)
std = np.std(data)
low, high = stats.t.interval(0.95, len(data)-1, mean, stats.sem(data))

print(f"Mean: {mean:.2f}")
print(f"Median: {median:.2f}")
print(f"Std Dev: {std:.2f}")
print(f"95% Confidence Interval: {low:.2f} to {high:.2f}")
""",
        "Mean: 48.40\nMedian: 50.50\nStd Dev: 26.67\n95% Confidence Interval: 28.29 to 68.51\n",
    ),
    _python(
        "Linear regression",
        "Hours studied against exam score, fitted with scikit-learn.",
        """
from sklearn.linear_model import LinearRegression
import numpy as np

# Sample data: hours studied vs exam score
X = np.array([[1], [2], [3], [4], [5], [6], [7], [8]])
y = np.array([50, 55, 65, 70, 80, 85, 90, 95])

# Train model
model = LinearRegression()
model.fit(X, y)

# Predict
hours_studied = 5.5
predicted_score = model.predict([[hours_studied]])[0]

print(f"Coefficient: {model.coef_[0]:.2f}")
print(f"Intercept: {model.intercept_:.2f}")
print(f"Predicted score for {hours_studied} hours: {predicted_score:.2f}")
""",
        "Coefficient: 6.67\nIntercept: 43.75\nPredicted score for 5.5 hours: 80.42\n",
    ),
    _python(
        "Group and add up",
        "Sales by month and region; the last expression is in `results` as text and as an HTML table.",
        """
import io
import pandas as pd

sales = pd.read_csv(io.StringIO('''month,region,amount
Jan,north,1200
Jan,south,800
Feb,north,1500
Feb,south,950
Mar,north,1300
Mar,south,1100
'''))
totals = sales.groupby('month', sort=False)['amount'].sum()
for month, amount in totals.items():
    print(f'{month}: {amount}')
sales.pivot(index='month', columns='region', values='amount')
""",
        "Jan: 2000\nFeb: 2450\nMar: 2400\n",
    ),
    _python(
        "Solve linear equations",
        "2x + y = 5 and x - 3y = -8, with NumPy.",
        """
import numpy as np

x, y = np.linalg.solve([[2, 1], [1, -3]], [5, -8])
print(f"x = {x:.0f}, y = {y:.0f}")
""",
        "x = 1, y = 3\n",
    ),
    _python(
        "Count words",
        "Text processing with the standard library.",
        """
import re
from collections import Counter

text = "the cat and the hat and the bat"
for word, count in Counter(re.findall(r"[a-z]+", text)).most_common(3):
    print(f"{word:<4}{count}")
""",
        "the 3\nand 2\ncat 1\n",
    ),
    _python(
        "Work with files",
        "Files in the work directory exist until the run ends.",
        """
import csv
import pathlib

with open('inventory.csv', 'w', newline='') as file:
    csv.writer(file).writerows([['item', 'count'], ['bolts', 40], ['nuts', 60]])

rows = list(csv.DictReader(pathlib.Path('inventory.csv').open()))
print(sum(int(row['count']) for row in rows), 'parts')
""",
        "100 parts\n",
    ),
    _python(
        "Wait for several things at once",
        "`await` works at the top level.",
        """
import asyncio

async def square(n):
    await asyncio.sleep(0.01)
    return n * n

print(await asyncio.gather(*(square(n) for n in range(5))))
""",
        "[0, 1, 4, 9, 16]\n",
    ),
    _chart(
        "Simple chart",
        "`plt` is already imported, and the chart is saved automatically.",
        "plt.plot([1, 2, 3], [1, 4, 9])\nplt.title('Simple Chart')",
    ),
    _chart(
        "Trigonometric functions",
        "Two curves with labels, a legend and a grid.",
        """
import numpy as np

# Generate data
x = np.linspace(0, 10, 100)
y1 = np.sin(x)
y2 = np.cos(x)

# Create plot
plt.figure(figsize=(10, 6))
plt.plot(x, y1, 'b-', linewidth=2, label='sin(x)')
plt.plot(x, y2, 'r--', linewidth=2, label='cos(x)')
plt.xlabel('x')
plt.ylabel('y')
plt.title('Trigonometric Functions')
plt.legend()
plt.grid(True, alpha=0.3)
""",
    ),
    _chart(
        "Quarterly results",
        "Grouped bars of revenue and expenses.",
        """
import pandas as pd

# Revenue by quarter
quarters = ['Q1', 'Q2', 'Q3', 'Q4']
revenue = [125000, 150000, 145000, 180000]
expenses = [95000, 110000, 105000, 125000]

x = np.arange(len(quarters))
width = 0.35

fig, ax = plt.subplots(figsize=(10, 6))
ax.bar(x - width/2, revenue, width, label='Revenue', color='#2ecc71')
ax.bar(x + width/2, expenses, width, label='Expenses', color='#e74c3c')

ax.set_xlabel('Quarter')
ax.set_ylabel('Amount ($)')
ax.set_title('Quarterly Financial Performance')
ax.set_xticks(x)
ax.set_xticklabels(quarters)
ax.legend()
ax.grid(True, alpha=0.3, axis='y')
""",
    ),
    _chart(
        "Distribution with seaborn",
        "A histogram with a density curve; `sns` is already imported.",
        """
values = np.random.default_rng(7).normal(loc=100, scale=15, size=500)
sns.histplot(values, kde=True)
plt.xlabel('Value')
plt.title('Distribution of 500 measurements')
""",
    ),
    _math(
        "Square root and pi",
        "One expression with `math` and `np`.",
        "math.sqrt(144) + np.pi",
        "Result: 15.141592653589793\n",
    ),
    _math("Median", "`statistics` is already imported, too.", "statistics.median([3, 1, 4, 1, 5])", "Result: 3\n"),
    _analysis("Summary of records", "A list of objects: statistics, types and missing values.", PEOPLE, "summary", SUMMARY),
    _analysis(
        "Correlation of columns",
        "An object of lists: the correlation matrix of the numeric columns.",
        {"hours": [1, 2, 3, 4], "score": [52, 54, 56, 58], "errors": [9, 6, 3, 0]},
        "correlation",
        "\nCorrelation Matrix:\n"
        "        hours  score  errors\n"
        "hours     1.0    1.0    -1.0\n"
        "score     1.0    1.0    -1.0\n"
        "errors   -1.0   -1.0     1.0\n",
    ),
    _analysis("Statistics of CSV text", "The text of a CSV file.", "city,temp\nOslo,4\nRome,16\nCairo,22\n", "stats", STATS),
    *JAVASCRIPT,
)
