package localaws

import (
	"maps"
	"slices"
	"strings"
)

func kmsAliasOperations() map[string]operation {
	return map[string]operation{
		"CreateAlias": createAlias,
		"UpdateAlias": updateAlias,
		"DeleteAlias": deleteAlias,
		"ListAliases": listAliases,
	}
}

type aliasInput struct{ AliasName, TargetKeyId, KeyId string }

// aliasCall reads a call about an alias, and checks the right to it on the alias itself.
func (c *call) aliasCall() (aliasInput, error) {
	var in aliasInput
	if err := c.decode(&in); err != nil {
		return in, err
	}
	if !strings.HasPrefix(in.AliasName, "alias/") {
		return in, &apiError{Code: "ValidationException", Message: "Invalid identifier"}
	}
	if strings.HasPrefix(in.AliasName, "alias/aws/") {
		return in, &apiError{Code: "NotAuthorizedException", Message: "Alias names that begin with alias/aws/ are reserved."}
	}
	return in, c.authorize(access{Resource: aliasARN(c.location, in.AliasName)})
}

func createAlias(c *call) (any, error) {
	in, err := c.aliasCall()
	if err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.TargetKeyId, nil)
	if err != nil {
		return nil, err
	}
	if _, taken := keysAt(c.aws, c.location).aliases[in.AliasName]; taken {
		return nil, &apiError{Code: "AlreadyExistsException", Message: "An alias with the name " + aliasARN(c.location, in.AliasName) + " already exists"}
	}
	c.aws.addAlias(k, in.AliasName)
	return nil, nil
}

func (c *call) alias(name string) (*kmsAlias, error) {
	found, ok := keysAt(c.aws, c.location).aliases[name]
	if !ok {
		return nil, &apiError{Code: "NotFoundException", Message: "Alias " + aliasARN(c.location, name) + " is not found."}
	}
	return found, nil
}

// unalias takes the alias off the key it points to.
func (c *call) unalias(found *kmsAlias) {
	if k := keysAt(c.aws, c.location).keys[found.target]; k != nil {
		k.aliases = slices.DeleteFunc(slices.Clone(k.aliases), func(name string) bool { return name == found.name })
	}
}

func updateAlias(c *call) (any, error) {
	in, err := c.aliasCall()
	if err != nil {
		return nil, err
	}
	found, err := c.alias(in.AliasName)
	if err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.TargetKeyId, nil)
	if err != nil {
		return nil, err
	}
	c.unalias(found)
	created := found.created
	c.aws.addAlias(k, in.AliasName)
	keysAt(c.aws, c.location).aliases[in.AliasName].created = created
	return nil, nil
}

func deleteAlias(c *call) (any, error) {
	in, err := c.aliasCall()
	if err != nil {
		return nil, err
	}
	found, err := c.alias(in.AliasName)
	if err != nil {
		return nil, err
	}
	c.unalias(found)
	delete(keysAt(c.aws, c.location).aliases, in.AliasName)
	return nil, nil
}

func listAliases(c *call) (any, error) {
	var in aliasInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.authorize(access{Action: "kms:ListAliases"}); err != nil {
		return nil, err
	}
	of := ""
	if in.KeyId != "" {
		k, err := c.aws.findKey(c.location, in.KeyId)
		if err != nil {
			return nil, err
		}
		of = k.id
	}
	items, aliases := []any{}, keysAt(c.aws, c.location).aliases
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if found := aliases[name]; of == "" || found.target == of {
			items = append(items, reply{"AliasName": name, "AliasArn": aliasARN(c.location, name), "TargetKeyId": found.target,
				"CreationDate": epoch(found.created), "LastUpdatedDate": epoch(found.updated)})
		}
	}
	return kmsPage(c, "Aliases", items, 100)
}
