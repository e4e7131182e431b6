package localaws

func kmsOperations() map[string]operation { return map[string]operation{} }

type kmsStore struct{}

func newKMSStore() *kmsStore { return &kmsStore{} }
