package localaws

// Placeholder: replaced by the service's own file.

type lambdaStore struct{}

func newLambdaStore() *lambdaStore { return &lambdaStore{} }

func lambdaOperations() map[string]operation { return map[string]operation{} }

func lambdaAccess(*call) (access, error) { return access{Resource: "*"}, nil }

// lambdaRoute names the operation of a REST request (c.Request has method, path, query and headers).
func lambdaRoute(*call) string { return "" }
