package messaging

import (
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

const lambdaPrincipal = "lambda.amazonaws.com"

// lambdaMayAssume checks that a function's role exists and trusts Lambda. A function without a role is one that a
// test registered, and is asked nothing. The state lock must be held.
func lambdaMayAssume(a *core.AWS, roleARN string) error {
	if roleARN == "" {
		return nil
	}
	if _, _, err := trusting(a, lambdaPrincipal, roleARN, ""); err != nil {
		return &core.Error{Code: "InvalidParameterValueException", Message: "The role defined for the function cannot be assumed by Lambda."}
	}
	return nil
}

// RoleOf is the role of a function by its ARN, "" for a function without one, and whether there is such a function. The
// state lock must be held.
func RoleOf(a *core.AWS, functionARN string) (role string, ok bool) {
	f, _, ok := functionByARN(a, functionARN)
	if !ok {
		return "", false
	}
	return f.Role, true
}

// mayPoll checks that a function's role may empty a queue. The state lock must be held.
func mayPoll(a *core.AWS, f *function, q *queue) error {
	if f.Role == "" {
		return nil
	}
	account, role := a.RoleByARN(f.Role)
	if role == nil {
		return core.NoSuchEntity("The role with name " + arn.Of(f.Role).Base() + " cannot be found.")
	}
	c := &core.Call{AWS: a, Location: q.Location, Service: "sqs", Now: a.Options.Now().UTC(), Caller: core.RoleCaller(account, role, f.FunctionName)}
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		c.Operation = action
		on := core.Access{Action: "sqs:" + action, Resource: q.arn(), ResourcePolicy: q.attributes["Policy"], Owner: q.Account}
		if err := c.Authorize(on); err != nil {
			return err
		}
	}
	return q.encryption().by(c, toRead)
}
