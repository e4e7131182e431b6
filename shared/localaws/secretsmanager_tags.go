package localaws

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// checkTags refuses system tags and more than 50 in all.
func (c *call) checkTags(have map[string]string, add []secretTag) error {
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

func tagSecret(c *call) (any, error) {
	var in struct {
		SecretId string
		Tags     []secretTag
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	add := secretTags(in.Tags)
	s, err := c.secretToTag(in.SecretId, requestTags(add))
	if err != nil {
		return nil, err
	}
	if err := c.checkTags(s.tags, in.Tags); err != nil {
		return nil, err
	}
	tags := maps.Clone(s.tags)
	maps.Copy(tags, add)
	return nil, c.setTags(s, in.SecretId, tags)
}

func untagSecret(c *call) (any, error) {
	var in struct {
		SecretId string
		TagKeys  []string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	s, err := c.secretToTag(in.SecretId, map[string][]string{"aws:TagKeys": in.TagKeys})
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
	return nil, c.setTags(s, in.SecretId, tags)
}

// secretToTag is secretToChange, but for secrets of other services: AWS's documentation says that they cannot be
// tagged, while live calls succeed, so Options decides.
func (c *call) secretToTag(id string, context map[string][]string) (*secret, error) {
	s, err := c.secret(id, context)
	if err != nil {
		return nil, err
	}
	if err := c.changeable(s); err != nil {
		return nil, err
	}
	if s.foreignTo(c.Caller) && c.aws.options.RefuseForeignTags {
		return nil, managedElsewhere(s)
	}
	return s, nil
}

// setTags refuses tags under which the caller could not tag the secret any more.
func (c *call) setTags(s *secret, id string, tags map[string]string) error {
	before := s.tags
	s.tags = tags
	if err := c.onSecret(s, id, requestTagsAsGiven(tags, before)); err != nil {
		s.tags = before
		return err
	}
	return nil
}

// requestTagsAsGiven are the tags that differ from those before, as condition keys.
func requestTagsAsGiven(tags, before map[string]string) map[string][]string {
	out := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if value, had := before[key]; !had || value != tags[key] {
			out["aws:RequestTag/"+key] = []string{tags[key]}
			out["aws:TagKeys"] = append(out["aws:TagKeys"], key)
		}
	}
	return out
}
