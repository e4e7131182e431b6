package localaws

func organizationsOperations() map[string]operation { return map[string]operation{} }

type organization struct{ id string }
