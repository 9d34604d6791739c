// Complex calculations
const { data } = await axios.post('/code-interpreter/python', {
  code: `
import numpy as np
from scipy import stats

# Statistical analysis
data = [23, 45, 56, 78, 12, 34, 56, 78, 90, 12]
mean = np.mean(data)
median = np.median(data)
std = np.std(data)
confidence = stats.t.interval(0.95, len(data)-1, mean, stats.sem(data))

print(f"Mean: {mean:.2f}")
print(f"Median: {median:.2f}")
print(f"Std Dev: {std:.2f}")
print(f"95% Confidence Interval: {confidence}")
  `,
});
