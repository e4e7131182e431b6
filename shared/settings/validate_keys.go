package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

var (
	keyARNShape        = formed(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):key/[A-Za-z0-9-]+$`)
	keyARNPatternShape = formed(`^arn:(?:aws[a-z-]*|\*):kms:(?:[a-z0-9-]+|\*):(?:\d{12}|\*):key/[A-Za-z0-9*-]+$`)
	aliasARNShape      = formed(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):alias/[A-Za-z0-9/_-]+$`)
	aliasShape         = formed(`^alias/[A-Za-z0-9/_-]+$`)
)

// exampleKeyARN is one as the file could have it: in the home Region, if that is known.
func (v validator) exampleKeyARN() string {
	region := v.config.Regions.Home
	if arn.KnownPartition(region) == "" {
		region = "us-east-1"
	}
	return arn.PartitionOf(region).New("kms", region, "111122223333", "key/1234abcd-12ab-34cd-56ef-1234567890ab").String()
}

func (v validator) keys() {
	v.approved()
	if v.written("keys.inUseDays") {
		v.between("keys.inUseDays", v.config.Keys.InUseDays, mostDays)
	}
	for i, choice := range v.config.Keys.Use {
		path := fmt.Sprintf("keys.use[%d]", i)
		placed := v.choiceCriteria(path, choice)
		if v.choiceKey(path+".key", choice.Key) {
			if placed {
				v.choiceRegion(path, choice)
			}
			v.choiceApproved(path+".key", choice)
		}
		v.shadowed(path, i)
	}
	v.keyTags()
	v.keyToFixWith()
}

// maxKeyTags is how many tags a KMS key takes (KMS quotas).
const maxKeyTags = 50

func (v validator) keyTags() {
	tags := v.config.Keys.Tags
	if len(tags) > maxKeyTags {
		v.problem("keys.tags", fmt.Sprintf("%d tags, a key takes %d", len(tags), maxKeyTags), "name fewer")
	}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		if name == "" || strings.HasPrefix(name, "aws:") || len(name) > 128 || len(tags[name]) > 256 {
			v.problem(`keys.tags["`+name+`"]`, fmt.Sprintf("%q cannot be a tag of a key", name), "use a name of up to 128 letters, not aws:, and a value of up to 256")
		}
	}
}

func (v validator) approved() {
	a := v.config.Keys.Approved
	for i, id := range a.Accounts {
		v.account(fmt.Sprintf("keys.approved.accounts[%d]", i), id)
	}
	for i, pattern := range a.ARNs {
		path := fmt.Sprintf("keys.approved.arns[%d]", i)
		if v.shape(path, pattern, keyARNPatternShape, "a KMS key ARN", v.exampleKeyARN()) {
			v.ownPartition(path, pattern)
		}
	}
	for i, alias := range a.Aliases {
		path := fmt.Sprintf("keys.approved.aliases[%d]", i)
		v.alias(path, alias)
	}
	v.managers()
	if v.config.Keys.Create && !a.open() && !slices.Contains(a.Aliases, SecretsKeyAlias) {
		v.problem("keys.createPerAccount", "the keys that createPerAccount makes are not approved",
			"add "+SecretsKeyAlias+" to keys.approved.aliases")
	}
}

// alias reports an alias without its prefix, and one of the AWS managed keys, which are what we lead away from.
func (v validator) alias(path, alias string) bool {
	if alias != "" && !strings.HasPrefix(alias, "alias/") {
		v.problem(path, fmt.Sprintf("alias %q has no alias/ in front", alias), "write alias/"+alias)
		return false
	}
	if strings.HasPrefix(alias, "alias/aws/") {
		v.problem(path, alias+" is an AWS managed key", "name a customer managed key")
		return false
	}
	return v.shape(path, alias, aliasShape, "a key alias", SecretsKeyAlias)
}

// choiceCriteria answers whether the Regions of the choice are fine.
func (v validator) choiceCriteria(path string, choice KeyChoice) bool {
	for i, id := range choice.Accounts {
		v.account(fmt.Sprintf("%s.accounts[%d]", path, i), id)
	}
	placed := !v.doubted("regions")
	for i, region := range choice.Regions {
		field := fmt.Sprintf("%s.regions[%d]", path, i)
		if v.region(field, region) == "" {
			placed = false
		} else if placed && !slices.Contains(v.config.Regions.Guarded, region) {
			v.problem(field, "Region "+region+" is not guarded", "add it to regions.guarded or remove it here")
			placed = false
		}
	}
	return placed
}

func (v validator) choiceKey(path, key string) bool {
	switch {
	case aliasARNShape.MatchString(key):
		return v.alias(path, arn.Of(key).Resource) && v.ownPartition(path, key)
	case strings.HasPrefix(key, "arn:"):
		return v.shape(path, key, keyARNShape, "a KMS key ARN", v.exampleKeyARN()) && v.ownPartition(path, key)
	case key == "":
		v.problem(path, path+" is missing", "add a key ARN or an alias such as "+SecretsKeyAlias)
		return false
	}
	return v.alias(path, key)
}

// choiceRegion reports a key that is chosen for secrets of a Region in which Secrets Manager cannot use it.
func (v validator) choiceRegion(path string, choice KeyChoice) {
	region := keyRegion(choice.Key)
	if region == "" {
		return
	}
	regions := choice.Regions
	if len(regions) == 0 {
		regions = v.config.Regions.Guarded
	}
	for _, r := range regions {
		if r != region {
			v.problem(path+".key", fmt.Sprintf("the key is in %s, but is chosen for secrets in %s too", region, r),
				"set regions: ["+region+"] here, and choose a key of its own for "+r)
			return
		}
	}
}

// choiceApproved reports a key that fixing would move secrets to, and that looking would then complain about, as far
// as the file can tell: which tags a key has, and in which account an alias leads to it, only AWS knows.
func (v validator) choiceApproved(path string, choice KeyChoice) {
	a := v.config.Keys.Approved
	if aliasShape.MatchString(choice.Key) {
		if !a.open() && len(a.Accounts)+len(a.ARNs)+len(a.Tags) == 0 && !slices.Contains(a.Aliases, choice.Key) {
			v.problem(path, choice.Key+" is not approved", "add it to keys.approved.aliases")
		}
		return
	}
	key := arn.Of(choice.Key)
	account := key.Account
	if a.open() {
		if !slices.Equal(choice.Accounts, []string{account}) {
			v.problem(path, "keys of account "+account+" are not approved for secrets of other accounts",
				"add \""+account+"\" to keys.approved.accounts")
		}
		return
	}
	byAlias := strings.HasPrefix(key.Resource, "alias/")
	approved := slices.Contains(a.Accounts, account) || matchesAny(a.ARNs, choice.Key) ||
		byAlias && slices.Contains(a.Aliases, key.Resource)
	if !approved && len(a.Tags) == 0 && (byAlias || len(a.Aliases) == 0) {
		v.problem(path, "the key is not approved", "add \""+account+"\" to keys.approved.accounts, or the key to keys.approved.arns")
	}
}

// open reports whether nothing is named, so that the keys of a secret's own account are fine.
func (a Approved) open() bool { return len(a.Accounts)+len(a.ARNs)+len(a.Aliases)+len(a.Tags) == 0 }

// shadowed reports a choice that never gets its turn, because an earlier one matches everything it matches.
func (v validator) shadowed(path string, index int) {
	later := v.config.Keys.Use[index]
	for i, earlier := range v.config.Keys.Use[:index] {
		if !covers(earlier, later) {
			continue
		}
		line := v.find(fmt.Sprintf("keys.use[%d]", i)).line
		if covers(later, earlier) {
			v.problem(path, fmt.Sprintf("two keys for the same secrets: line %d chooses for exactly these", line), "keep one")
			return
		}
		v.problem(path, fmt.Sprintf("this key is never used: line %d already chooses for these secrets", line),
			"move the narrower choice up")
		return
	}
}

// covers reports whether a matches every secret that b matches.
func covers(a, b KeyChoice) bool {
	for key, value := range a.Tags {
		if other, ok := b.Tags[key]; !ok || other != value {
			return false
		}
	}
	return coversList(a.Accounts, b.Accounts) && coversList(a.Regions, b.Regions)
}

func coversList(a, b []string) bool {
	if len(a) == 0 {
		return true
	}
	for _, value := range b {
		if !slices.Contains(a, value) {
			return false
		}
	}
	return len(b) > 0
}

// keyToFixWith reports stages that fix without a key to fix with.
func (v validator) keyToFixWith() {
	if v.config.Keys.Create || len(v.config.Keys.Use) > 0 || v.doubted("keys") {
		return
	}
	for i, stage := range v.config.Rollout {
		if stage.Mode == "remediate" {
			v.problem(fmt.Sprintf("rollout[%d].mode", i), "stage "+stage.Name+" remediates, but there is no key to move secrets to",
				"set keys.createPerAccount: true or choose a key in keys.use")
		}
	}
}

// keyRegion is the Region in a key or alias ARN, "" for an alias, which exists in every Region.
func keyRegion(key string) string {
	return arn.Of(key).Region
}

// matchesAny reports whether one of the patterns, in which "*" stands for any text, matches s.
func matchesAny(patterns []string, s string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return arn.Match(pattern, s) })
}
