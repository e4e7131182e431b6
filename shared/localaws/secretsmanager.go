package localaws

func secretsManagerOperations() map[string]operation { return map[string]operation{} }

type secretsManager struct{}

func newSecretsManager() *secretsManager { return &secretsManager{} }
