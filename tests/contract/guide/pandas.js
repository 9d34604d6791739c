const { data } = await axios.post('http://localhost:8080/code-interpreter/python', {
  code: `
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
  `,
});

console.log(data.output);
