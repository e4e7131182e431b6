package secretsmanager

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/kms"
)

// checkTags refuses system tags and more than 50 in all.
func checkTags(c *core.Call, have map[string]string, add []secretTag) error {
	count := len(have)
	for _, tag := range add {
		if strings.HasPrefix(strings.ToLower(tag.Key), "aws:") && c.Caller.Service == "" {
			return secretParameter("You can't modify system tags.")
		}
		if tag.Key == "" || len([]rune(tag.Key)) > 128 || len([]rune(tag.Value)) > 256 {
			return secretParameter("Tag keys have 1 to 128 characters and tag values 256 at most.")
		}
		if _, known := have[tag.Key]; !known {
			count++
		}
	}
	if count > mostTags {
		return secretParameter("A secret can have at most " + strconv.Itoa(mostTags) + " tags.")
	}
	return nil
}

func tagSecret(c *core.Call) (any, error) {
	var in struct {
		SecretId string
		Tags     []secretTag
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	add := secretTags(in.Tags)
	s, err := secretToTag(c, in.SecretId, kms.RequestTags(add))
	if err != nil {
		return nil, err
	}
	if err := checkTags(c, s.tags, in.Tags); err != nil {
		return nil, err
	}
	tags := maps.Clone(s.tags)
	maps.Copy(tags, add)
	return nil, setTags(c, s, in.SecretId, tags)
}

func untagSecret(c *core.Call) (any, error) {
	var in struct {
		SecretId string
		TagKeys  []string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToTag(c, in.SecretId, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	tags := maps.Clone(s.tags)
	for _, key := range in.TagKeys {
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, secretParameter("You can't modify system tags.")
		}
		delete(tags, key)
	}
	return nil, setTags(c, s, in.SecretId, tags)
}

// secretToTag is secretToChange, but for secrets of other services: AWS's documentation says that they cannot be
// tagged, while live calls succeed, so Options decides.
func secretToTag(c *core.Call, id string, context map[string][]string) (*secret, error) {
	s, err := authorizedSecret(c, id, context)
	if err != nil {
		return nil, err
	}
	if err := changeable(c, s); err != nil {
		return nil, err
	}
	if s.foreignTo(c.Caller) && c.AWS.Options.Behavior.RefuseForeignTags {
		return nil, managedElsewhere(s)
	}
	return s, nil
}

// setTags refuses tags under which the caller could not tag the secret any more.
func setTags(c *core.Call, s *secret, id string, tags map[string]string) error {
	before := s.tags
	s.tags = tags
	if err := onSecret(c, s, id, requestTagsAsGiven(tags, before)); err != nil {
		s.tags = before
		return err
	}
	return nil
}

// requestTagsAsGiven are the tags that differ from those before, and the names of those that are taken away, as condition keys.
func requestTagsAsGiven(tags, before map[string]string) map[string][]string {
	out := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if value, had := before[key]; !had || value != tags[key] {
			out["aws:RequestTag/"+key] = []string{tags[key]}
			out["aws:TagKeys"] = append(out["aws:TagKeys"], key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, stays := tags[key]; !stays {
			out["aws:TagKeys"] = append(out["aws:TagKeys"], key)
		}
	}
	return out
}
