package localaws

// Placeholder: replaced by the service's own file.

type dynamoStore struct{}

func newDynamoStore() *dynamoStore { return &dynamoStore{} }

func dynamoOperations() map[string]operation { return map[string]operation{} }

func dynamoAccess(*call) (access, error) { return access{Resource: "*"}, nil }
