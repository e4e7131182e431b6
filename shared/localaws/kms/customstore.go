package kms

import (
	"maps"
	"slices"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const (
	originCloudHSM    = "AWS_CLOUDHSM"
	originKeyManager  = "EXTERNAL_KEY_STORE"
	storeConnected    = "CONNECTED"
	storeDisconnected = "DISCONNECTED"
)

// customStore is a custom key store: an AWS CloudHSM cluster, or an external key manager.
type customStore struct {
	id, name, kind string // kind is AWS_CLOUDHSM or EXTERNAL_KEY_STORE
	connection     string
}

func customStoreOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateCustomKeyStore":     createCustomKeyStore,
		"ConnectCustomKeyStore":    func(c *core.Call) (any, error) { return nil, connection(c, storeConnected) },
		"DisconnectCustomKeyStore": func(c *core.Call) (any, error) { return nil, connection(c, storeDisconnected) },
		"DescribeCustomKeyStores":  describeCustomKeyStores,
	}
}

// createCustomKeyStore takes the cluster or the proxy for granted: neither is modelled.
func createCustomKeyStore(c *core.Call) (any, error) {
	var in struct{ CustomKeyStoreName, CustomKeyStoreType string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Authorize(core.Access{}); err != nil {
		return nil, err
	}
	if in.CustomKeyStoreType == "" {
		in.CustomKeyStoreType = originCloudHSM
	}
	all := keysAt(c.AWS, c.Location).stores
	for _, other := range all {
		if other.name == in.CustomKeyStoreName {
			return nil, &core.Error{Code: "CustomKeyStoreNameInUseException", Message: "The custom key store name is in use."}
		}
	}
	made := &customStore{id: "cks-" + c.AWS.Letters(17, "0123456789abcdef"), name: in.CustomKeyStoreName, kind: in.CustomKeyStoreType, connection: storeDisconnected}
	all[made.id] = made
	return core.Reply{"CustomKeyStoreId": made.id}, nil
}

func customStoreOf(c *core.Call, id string) (*customStore, error) {
	found, ok := keysAt(c.AWS, c.Location).stores[id]
	if !ok {
		return nil, &core.Error{Code: "CustomKeyStoreNotFoundException", Message: "The custom key store " + id + " is not found."}
	}
	return found, nil
}

// connection connects or disconnects a store, at once: AWS takes up to twenty minutes.
func connection(c *core.Call, to string) error {
	var in struct{ CustomKeyStoreId string }
	if err := c.Decode(&in); err != nil {
		return err
	}
	if err := c.Authorize(core.Access{}); err != nil {
		return err
	}
	found, err := customStoreOf(c, in.CustomKeyStoreId)
	if err != nil {
		return err
	}
	if to == storeDisconnected && found.connection == to {
		return &core.Error{Code: "CustomKeyStoreInvalidStateException", Message: "The custom key store is " + found.connection + "."}
	}
	found.connection = to
	return nil
}

func describeCustomKeyStores(c *core.Call) (any, error) {
	var in struct{ CustomKeyStoreId, CustomKeyStoreName string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Authorize(core.Access{}); err != nil {
		return nil, err
	}
	items, all := []any{}, keysAt(c.AWS, c.Location).stores
	for _, id := range slices.Sorted(maps.Keys(all)) {
		one := all[id]
		if (in.CustomKeyStoreId == "" || in.CustomKeyStoreId == id) && (in.CustomKeyStoreName == "" || in.CustomKeyStoreName == one.name) {
			items = append(items, core.Reply{"CustomKeyStoreId": id, "CustomKeyStoreName": one.name, "CustomKeyStoreType": one.kind, "ConnectionState": one.connection})
		}
	}
	return page(c, "CustomKeyStores", items, 1000)
}

// intoStore is the store that a new key is to be in, nil for none. It has to be connected, and of the key's origin.
func intoStore(c *core.Call, in createKeyInput) (*customStore, error) {
	of := in.Origin == originCloudHSM || in.Origin == originKeyManager
	if of != (in.CustomKeyStoreId != "") {
		return nil, &core.Error{Code: "ValidationException", Message: "A key of the origin " + in.Origin + " and a CustomKeyStoreId go together."}
	}
	if !of {
		return nil, nil
	}
	found, err := customStoreOf(c, in.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	if found.connection != storeConnected || found.kind != in.Origin {
		return nil, &core.Error{Code: "CustomKeyStoreInvalidStateException", Message: "The custom key store is " + found.connection + " and of the type " + found.kind + "."}
	}
	return found, nil
}

// stateNow is the key's state, which follows that of its custom key store: what is in a store that is disconnected is unavailable,
// unless it waits for its deletion (KMS developer guide, "Disconnect a custom key store").
func (k *Key) stateNow() string {
	if k.store != nil && k.store.connection != storeConnected && k.notPendingDeletion() == nil {
		return keyUnavailable
	}
	return k.state
}
