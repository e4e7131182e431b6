package messaging

import (
	"maps"
	"slices"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// tagStore holds the tags of queues, rules, buses and functions by ARN, as they were made.
type tagStore struct{ of map[string]map[string]string }

func tagsOf(a *core.AWS) *tagStore {
	return core.Global(a, func() *tagStore { return &tagStore{of: map[string]map[string]string{}} })
}

// tag keeps the tags of something new; none forgets those of what had its ARN before.
func tag(a *core.AWS, arn string, tags map[string]string) {
	delete(tagsOf(a).of, arn)
	if len(tags) > 0 {
		tagsOf(a).of[arn] = maps.Clone(tags)
	}
}

// tagPair is a tag as EventBridge writes it.
type tagPair struct{ Key, Value string }

func tagPairs(of map[string]string) []tagPair {
	out := []tagPair{}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		out = append(out, tagPair{key, of[key]})
	}
	return out
}

func tagMap(of []tagPair) map[string]string {
	out := map[string]string{}
	for _, one := range of {
		out[one.Key] = one.Value
	}
	return out
}

// listEventTags answers the tags of a rule or bus. One without tags and one that does not exist look alike.
func listEventTags(c *core.Call) (any, error) {
	var in struct{ ResourceARN string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	return map[string]any{"Tags": tagPairs(tagsOf(c.AWS).of[in.ResourceARN])}, nil
}

func listQueueTags(c *core.Call, q *queue) (any, error) {
	return map[string]any{"Tags": tagsOf(c.AWS).of[q.arn()]}, nil
}

// listFunctionTags is a REST call whose path ends in the function's ARN.
func listFunctionTags(c *core.Call) (any, error) {
	name, err := functionName(c)
	if err != nil {
		return nil, err
	}
	f, ok := functionsAt(c.AWS, c.Location).functions[name]
	if !ok {
		return nil, noSuchFunction(functionARN(c.Location, name))
	}
	return map[string]any{"Tags": tagsOf(c.AWS).of[f.FunctionArn]}, nil
}
