// Agent automatically analyzes CSV data
await llm.callWithTools({
  messages: [{
    role: 'user',
    content: 'Analyze this customer data and find patterns: [data...]'
  }],
  tools: ['code_execute_python', 'code_analyze_data'],
}, handlers);
