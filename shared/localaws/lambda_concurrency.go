package localaws

// putFunctionConcurrency keeps what a function is allowed. Here one batch runs at a time, so nothing is ever over it.
func putFunctionConcurrency(c *call, f *function) (any, error) {
	var in struct{ ReservedConcurrentExecutions int }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	f.reserved = in.ReservedConcurrentExecutions
	return map[string]int{"ReservedConcurrentExecutions": f.reserved}, nil
}
