const { data } = await axios.post('http://localhost:8080/code-interpreter/chart', {
  code: `
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
  `,
});

// data.chart.base64 contains the PNG image as base64
const imageData = `data:image/png;base64,${data.chart.base64}`;
