package faults_test

import (
	"encoding/json"
	"fmt"
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
	for _, f := range d.deployed {
		var config map[string]any
		if err := json.Unmarshal([]byte(f.env[settings.EnvConfig]), &config); err != nil {
			t.Fatal(err)
		}
		for name, channel := range field(config, "owners", "channels") {
			known[name] = channel
		}
		field(config, "owners")["channels"] = known
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		f.env[settings.EnvConfig] = string(raw)
	}
	return all
}
