package faults_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// carried sees every call of the hub's processes that AWS has carried out or refused. Of the intents in the table it knows who
// owns a target: the process that wrote it last. A change of a target by another process is one that no fence stopped.
func (o *oracle) carried(d *driver, c *call, status int) {
	switch {
	case c.isIntent():
		var in struct{ Item map[string]map[string]any }
		if json.Unmarshal(c.body, &in) != nil {
			return
		}
		target, is := strings.CutPrefix(words(in.Item["pk"], "S"), "intent#")
		if !is || words(in.Item["sk"], "S") != "intent" {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if status == http.StatusOK {
			o.owners[ofPrimary(target)] = c.of.name
		} else if c.of.slept {
			d.count.Fenced++
		}
	case status == http.StatusOK:
		target := changed(c)
		if target == "" {
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.owners[target] != c.of.name && o.owners[target+"|tags"] != c.of.name {
			o.fault(&o.ChangedTwice, "%s: %s by %s, and %q had taken it over", target, c.operation, c.of.name, o.owners[target])
		}
	}
}

// isIntent reports that a call writes who owns a target, or who watches it.
func (c *call) isIntent() bool {
	return c.service == "dynamodb" && c.operation == "PutItem" && bytes.Contains(c.body, []byte(`"intent#`))
}

// owns reports that a process wrote the intent of any target last.
func (o *oracle) owns(p *process) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, owner := range o.owners {
		if owner == p.name {
			return true
		}
	}
	return false
}

// changed is the target that a call changes; "" where it changes none, or does not say which.
func changed(c *call) string {
	if c.service != "secretsmanager" && c.service != "kms" {
		return ""
	}
	var in struct {
		SecretID    string `json:"SecretId"`
		Constraints struct{ EncryptionContextSubset struct{ SecretARN string } }
	}
	switch c.operation {
	case "UpdateSecret", "RotateSecret", "TagResource", "UntagResource", "ReplicateSecretToRegions", "RemoveRegionsFromReplication", "CreateGrant":
	default:
		return ""
	}
	if json.Unmarshal(c.body, &in) != nil {
		return ""
	}
	return ofPrimary(in.SecretID + in.Constraints.EncryptionContextSubset.SecretARN)
}

// ofPrimary is a target without its Region: a copy's is its primary's.
func ofPrimary(target string) string {
	text, rest, _ := strings.Cut(target, "|")
	a := arn.Of(text)
	if a.Resource == "" {
		return target
	}
	if rest != "" {
		rest = "|" + rest
	}
	return a.Account + "/" + a.Resource + rest
}
