package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
)

// manyTeams is how many owners there are beside those of the sample. One owner gets a few messages an hour, and all else in one of
// them: without many owners a storm of a thousand notices is sixty messages, in which little can come twice.
const manyTeams = 60

// teams makes owners, each with a mailbox of its own, and answers what people write into the tag.
func (d *driver) teams(t *testing.T, n int) []string {
	t.Helper()
	known := map[string]any{}
	var all []string
	for i := range n {
		name := fmt.Sprintf("team-%02d", i)
		address := name + "@example.com"
		filter, _ := json.Marshal(map[string][]string{channels.AttributeOwner: {name}}) // texts
		d.service(t, "sns", "Subscribe", map[string]any{"TopicArn": d.deployed["alert"].env[settings.EnvOwnersTopic], "Protocol": "email", "Endpoint": address,
			"Attributes": map[string]string{"FilterPolicy": string(filter)}})
		known[name] = map[string]string{"email": address}
		all = append(all, name)
	}
	d.set(t, func(config map[string]any) {
		maps.Copy(known, field(config, "owners", "channels"))
		field(config, "owners")["channels"] = known
	})
	return all
}

// forgetful has the hub forget secrets that are gone soon. A million events make two hundred thousand of them, in three weeks, and each
// sweep reads all records.
func (d *driver) forgetful(t *testing.T) {
	t.Helper()
	d.set(t, func(config map[string]any) { config["keep"] = 1 }) // days
}

// set changes what the functions are set to.
func (d *driver) set(t *testing.T, change func(config map[string]any)) {
	t.Helper()
	for _, f := range d.deployed {
		var config map[string]any
		if err := json.Unmarshal([]byte(f.env[settings.EnvConfig]), &config); err != nil {
			t.Fatal(err)
		}
		change(config)
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		f.env[settings.EnvConfig] = string(raw)
	}
}
