package localaws

const lambdaPrincipal = "lambda.amazonaws.com"

// lambdaMayAssume checks that a function's role exists and trusts Lambda. A function without a role is one that a
// test registered, and is asked nothing. The state lock must be held.
func (a *AWS) lambdaMayAssume(roleARN string) error {
	if roleARN == "" {
		return nil
	}
	if _, _, err := a.trusting(lambdaPrincipal, roleARN, ""); err != nil {
		return &apiError{Code: "InvalidParameterValueException", Message: "The role defined for the function cannot be assumed by Lambda."}
	}
	return nil
}

// mayPoll checks that a function's role may empty a queue. The state lock must be held.
func (a *AWS) mayPoll(f *function, q *queue) error {
	if f.Role == "" {
		return nil
	}
	account, role := a.roleByARN(f.Role)
	if role == nil {
		return noSuchEntity("The role with name " + nameOf(f.Role) + " cannot be found.")
	}
	c := &call{aws: a, location: q.location, Service: "sqs", Now: a.options.Now().UTC(), Caller: roleCaller(account, role, f.FunctionName)}
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		c.Operation = action
		on := access{Action: "sqs:" + action, Resource: q.arn(), ResourcePolicy: q.attributes["Policy"], Owner: q.Account}
		if err := c.authorize(on); err != nil {
			return err
		}
	}
	return q.encryption().by(c, toRead)
}
