package messaging

import (
	"net/http"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// addFunctionPermission lets a service or account invoke the function.
func addFunctionPermission(c *core.Call, f *function) (any, error) {
	var in struct{ StatementId, Action, Principal, SourceArn, SourceAccount, PrincipalOrgID string } //nolint:revive // AWS's own names
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(f.statements, func(s map[string]any) bool { return s["Sid"] == in.StatementId }) {
		return nil, &core.Error{Code: "ResourceConflictException", Message: "The statement id (" + in.StatementId + ") provided already exists. Please provide a new statement id, or remove the existing statement.", Status: http.StatusConflict}
	}
	principal := map[string]any{"AWS": in.Principal}
	if strings.HasSuffix(in.Principal, c.AWS.Options.Partition.Service("")) {
		principal = map[string]any{"Service": in.Principal}
	}
	made := map[string]any{"Sid": in.StatementId, "Effect": "Allow", "Principal": principal, "Action": in.Action, "Resource": f.FunctionArn}
	condition := map[string]any{}
	if in.SourceArn != "" {
		condition["ArnLike"] = map[string]any{"AWS:SourceArn": in.SourceArn}
	}
	if in.SourceAccount != "" {
		condition["StringEquals"] = map[string]any{"AWS:SourceAccount": in.SourceAccount}
	}
	if in.PrincipalOrgID != "" {
		condition["StringEquals"] = map[string]any{"aws:PrincipalOrgID": in.PrincipalOrgID}
	}
	if len(condition) > 0 {
		made["Condition"] = condition
	}
	f.statements = append(f.statements, made)
	text, err := encode(made)
	return map[string]string{"Statement": text}, err
}

func removeFunctionPermission(c *core.Call, f *function) (any, error) {
	id, err := pathName(c, 2, "StatementId")
	if err != nil {
		return nil, err
	}
	before := len(f.statements)
	f.statements = slices.DeleteFunc(f.statements, func(s map[string]any) bool { return s["Sid"] == id })
	if len(f.statements) == before {
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Statement " + id + " is not found in resource policy.", Status: http.StatusNotFound}
	}
	return core.RawResponse{Status: http.StatusNoContent}, nil
}

// putFunctionConcurrency only answers: invocations here run one after the other.
func putFunctionConcurrency(c *core.Call, _ *function) (any, error) {
	var in struct{ ReservedConcurrentExecutions int }
	err := c.Decode(&in)
	return in, err
}
