package messaging

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// connection is how EventBridge would sign in somewhere. Nothing is sent: it is here for the secret that it keeps.
type connection struct{ name, description, secret string }

type connectionStore struct{ connections map[string]*connection }

func connectionsAt(a *core.AWS, at core.Location) *connectionStore {
	return core.Regional(a, at, func() *connectionStore { return &connectionStore{map[string]*connection{}} })
}

func eventsConnectionOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateConnection":   createConnection,
		"DescribeConnection": onConnection(describeConnection),
		"DeleteConnection":   onConnection(deleteConnection),
		"ListConnections":    listConnections,
	}
}

func connectionARN(p core.Location, name string) string { return p.ARN("events", "connection/"+name) }

// createConnection keeps what it is given in a secret that EventBridge owns, as AWS does (EventBridge user guide,
// connections).
func createConnection(c *core.Call) (any, error) {
	var in struct{ Name, Description string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if !ruleName.MatchString(in.Name) {
		return nil, validation("Connection name is not valid: " + in.Name)
	}
	all := connectionsAt(c.AWS, c.Location).connections
	if all[in.Name] != nil {
		return nil, &core.Error{Code: "ResourceAlreadyExistsException", Message: "Connection " + in.Name + " already exists."}
	}
	service := core.ServiceCaller(c.Account, c.AWS.Options.Partition.Service("events"))
	made, err := c.AWS.DoLocked(c.Location, service, "secretsmanager", "CreateSecret", map[string]any{
		"Name": "events!connection/" + in.Name + "/" + c.AWS.UUID(), "SecretString": c.AWS.Letters(28, core.MixedAlnum), "ClientRequestToken": c.AWS.UUID(),
		"Tags": []tagPair{{"aws:secretsmanager:owningService", "events"}}})
	if err != nil {
		return nil, err
	}
	secret, _ := made["ARN"].(string)
	all[in.Name] = &connection{name: in.Name, description: in.Description, secret: secret}
	return map[string]any{"ConnectionArn": connectionARN(c.Location, in.Name), "ConnectionState": "AUTHORIZED", "CreationTime": core.Epoch(c.Now)}, nil
}

func onConnection(run func(*core.Call, *connection) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		var in struct{ Name string }
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		found := connectionsAt(c.AWS, c.Location).connections[in.Name]
		if found == nil {
			return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Connection " + in.Name + " does not exist."}
		}
		return run(c, found)
	}
}

func describeConnection(c *core.Call, of *connection) (any, error) {
	return map[string]any{"Name": of.name, "Description": of.description, "SecretArn": of.secret, "ConnectionState": "AUTHORIZED",
		"ConnectionArn": connectionARN(c.Location, of.name)}, nil
}

// deleteConnection removes the secret as well.
func deleteConnection(c *core.Call, of *connection) (any, error) {
	service := core.ServiceCaller(c.Account, c.AWS.Options.Partition.Service("events"))
	if _, err := c.AWS.DoLocked(c.Location, service, "secretsmanager", "DeleteSecret", map[string]any{"SecretId": of.secret, "ForceDeleteWithoutRecovery": true}); err != nil {
		return nil, err
	}
	delete(connectionsAt(c.AWS, c.Location).connections, of.name)
	return map[string]any{"ConnectionArn": connectionARN(c.Location, of.name), "ConnectionState": "DELETING"}, nil
}

func listConnections(c *core.Call) (any, error) {
	var in struct{ NamePrefix string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	list := []any{}
	all := connectionsAt(c.AWS, c.Location).connections
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(name, in.NamePrefix) {
			list = append(list, map[string]any{"Name": name, "ConnectionArn": connectionARN(c.Location, name), "ConnectionState": "AUTHORIZED"})
		}
	}
	return map[string]any{"Connections": list}, nil
}
