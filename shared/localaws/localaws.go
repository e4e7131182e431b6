package localaws

import "maps"

// New makes an empty AWS: no organization, no accounts, no credentials.
func New(o Options) *AWS {
	return newAWS(o, services(), EventBus{
		Listens: func(a *AWS, at location, readOnly bool) bool { return a.listens(at, readOnly) },
		Put:     func(a *AWS, at location, event map[string]any) { a.putEvent(at, "default", event) },
	})
}

// services is the table of everything this AWS answers, by the service name of SigV4's credential scope.
func services() map[string]service {
	all := map[string]service{}
	for _, part := range []map[string]service{coreServices(), secretsServices(), kmsServices(), messagingServices(), dynamoServices()} {
		maps.Copy(all, part)
	}
	return all
}
