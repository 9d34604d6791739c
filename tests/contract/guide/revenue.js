// Generate business intelligence charts
const { data } = await axios.post('/code-interpreter/chart', {
  code: `
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
  `,
});

// Use the base64 image
const chartImage = `data:image/png;base64,${data.chart.base64}`;
