package localtest

import (
	"regexp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

var (
	anyARN  = regexp.MustCompile(`\barn:([a-z][a-z-]*):`)
	anyHost = regexp.MustCompile(`\b([a-z0-9-]+)\.(amazonaws\.[a-z.]+[a-z])`)
)

// OfOtherPartitions lists what in a text belongs to another partition. A pattern may name them all, and a service
// principal is called the same everywhere.
func OfOtherPartitions(p arn.Partition, text string) []string {
	var foreign []string
	for _, m := range anyARN.FindAllStringSubmatch(text, -1) {
		if m[1] != string(p) {
			foreign = append(foreign, m[0])
		}
	}
	for _, region := range arn.Regions() { // a policy names both forms of kms:ViaService, and stands in texts of JSON, HCL and TypeScript
		for _, service := range []string{"secretsmanager", "dynamodb", "sns", "sqs"} {
			forms := p.ViaService(service, region)
			if slices.Contains(forms, text) { // of a policy that was read, value by value
				return foreign
			}
			for _, quote := range []string{`"`, `\"`, "'"} {
				if len(forms) > 1 && strings.Contains(text, quote+forms[0]+quote) {
					text = strings.ReplaceAll(text, quote+forms[1]+quote, "")
				}
			}
		}
	}
	for _, m := range anyHost.FindAllStringSubmatch(text, -1) {
		if arn.KnownPartition(m[1]) == p && m[2] != p.Suffix() {
			foreign = append(foreign, m[0])
		}
	}
	for _, region := range arn.Regions() {
		if arn.KnownPartition(region) != p && strings.Contains(text, region) {
			foreign = append(foreign, region)
		}
	}
	return foreign
}
