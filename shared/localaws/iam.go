package localaws

func iamOperations() map[string]operation { return map[string]operation{} }

type role struct{ name string }

type user struct{ name string }
