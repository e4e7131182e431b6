package kms

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

func aliasOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateAlias": createAlias,
		"UpdateAlias": updateAlias,
		"DeleteAlias": deleteAlias,
		"ListAliases": listAliases,
	}
}

type aliasInput struct{ AliasName, TargetKeyId, KeyId string }

// aliasCall reads a call about an alias, and checks the right to it on the alias itself.
func aliasCall(c *core.Call) (aliasInput, error) {
	var in aliasInput
	if err := c.Decode(&in); err != nil {
		return in, err
	}
	if !strings.HasPrefix(in.AliasName, "alias/") {
		return in, &core.Error{Code: "ValidationException", Message: "Invalid identifier"}
	}
	if strings.HasPrefix(in.AliasName, "alias/aws/") {
		return in, &core.Error{Code: "NotAuthorizedException", Message: "Alias names that begin with alias/aws/ are reserved."}
	}
	return in, c.Authorize(core.Access{Resource: aliasARN(c.Location, in.AliasName)})
}

func createAlias(c *core.Call) (any, error) {
	in, err := aliasCall(c)
	if err != nil {
		return nil, err
	}
	k, err := targetKey(c, in)
	if err != nil {
		return nil, err
	}
	if _, taken := keysAt(c.AWS, c.Location).aliases[in.AliasName]; taken {
		return nil, &core.Error{Code: "AlreadyExistsException", Message: "An alias with the name " + aliasARN(c.Location, in.AliasName) + " already exists"}
	}
	addAlias(c.AWS, k, in.AliasName)
	recordAlias(c, k, in.AliasName)
	return nil, nil
}

// targetKey is the key that an alias is to point to. It must not be on its way out.
func targetKey(c *core.Call, in aliasInput) (*Key, error) {
	k, err := ownKey(c, in.TargetKeyId, nil)
	if err != nil {
		return nil, err
	}
	return k, k.notPendingDeletion()
}

// recordAlias names the key and the alias in the call's record, as the KMS developer guide shows it of CreateAlias, UpdateAlias
// and DeleteAlias: both are of the type AWS::KMS::Key.
func recordAlias(c *core.Call, k *Key, name string) {
	c.Resources = []core.Resource{{ARN: aliasARN(c.Location, name), Type: keyType, Account: c.Account}, {ARN: k.ARN, Type: keyType, Account: c.Account}}
	if c.Operation == "CreateAlias" {
		slices.Reverse(c.Resources)
	}
}

func aliasOf(c *core.Call, name string) (*alias, error) {
	found, ok := keysAt(c.AWS, c.Location).aliases[name]
	if !ok {
		return nil, &core.Error{Code: "NotFoundException", Message: "Alias " + aliasARN(c.Location, name) + " is not found."}
	}
	return found, nil
}

// unalias takes the alias off the key it points to.
func unalias(c *core.Call, found *alias) {
	if k := keysAt(c.AWS, c.Location).keys[found.target]; k != nil {
		k.aliases = slices.DeleteFunc(slices.Clone(k.aliases), func(name string) bool { return name == found.name })
	}
}

func updateAlias(c *core.Call) (any, error) {
	in, err := aliasCall(c)
	if err != nil {
		return nil, err
	}
	found, err := aliasOf(c, in.AliasName)
	if err != nil {
		return nil, err
	}
	from, err := ownKey(c, found.target, nil) // the right is asked for on the alias and on both keys
	if err != nil {
		return nil, err
	}
	k, err := targetKey(c, in)
	if err != nil {
		return nil, err
	}
	if from.usage != k.usage || from.spec == symmetricSpec != (k.spec == symmetricSpec) {
		return nil, &core.Error{Code: "ValidationException", Message: "Alias " + aliasARN(c.Location, in.AliasName) + " cannot be updated to a key of another type or usage."}
	}
	unalias(c, found)
	created := found.created
	addAlias(c.AWS, k, in.AliasName)
	keysAt(c.AWS, c.Location).aliases[in.AliasName].created = created
	recordAlias(c, k, in.AliasName)
	return nil, nil
}

func deleteAlias(c *core.Call) (any, error) {
	in, err := aliasCall(c)
	if err != nil {
		return nil, err
	}
	found, err := aliasOf(c, in.AliasName)
	if err != nil {
		return nil, err
	}
	k, err := ownKey(c, found.target, nil)
	if err != nil {
		return nil, err
	}
	unalias(c, found)
	delete(keysAt(c.AWS, c.Location).aliases, in.AliasName)
	recordAlias(c, k, in.AliasName)
	return nil, nil
}

func listAliases(c *core.Call) (any, error) {
	var in aliasInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Authorize(core.Access{Action: "kms:ListAliases"}); err != nil {
		return nil, err
	}
	of := ""
	if in.KeyId != "" {
		k, err := FindKey(c.AWS, c.Location, in.KeyId)
		if err != nil {
			return nil, err
		}
		of = k.id
	}
	items, aliases := []any{}, keysAt(c.AWS, c.Location).aliases
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if found := aliases[name]; of == "" || found.target == of {
			items = append(items, core.Reply{"AliasName": name, "AliasArn": aliasARN(c.Location, name), "TargetKeyId": found.target,
				"CreationDate": core.Epoch(found.created), "LastUpdatedDate": core.Epoch(found.updated)})
		}
	}
	return page(c, "Aliases", items, 100)
}
