// Simple ML model
const { data } = await axios.post('/code-interpreter/python', {
  code: `
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
  `,
});
