package secretsmanager

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const secretsPage = 100

type secretFilter struct {
	Key    string
	Values []string
}

type listSecretsInput struct {
	Filters                []secretFilter
	IncludePlannedDeletion bool
	MaxResults             int
	NextToken              string
	SortBy, SortOrder      string
}

type listSecretsOutput struct {
	NextToken  string `json:",omitempty"`
	SecretList []*secretEntry
}

func listSecrets(c *core.Call) (any, error) {
	var in listSecretsInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Authorize(core.Access{}); err != nil {
		return nil, err
	}
	if err := checkFilters(in.Filters); err != nil {
		return nil, err
	}
	if in.MaxResults < 0 || in.MaxResults > secretsPage {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"}
	}
	after := 0
	if in.NextToken != "" {
		var err error
		if after, err = core.PageStart(in.NextToken); err != nil {
			return nil, &core.Error{Code: "InvalidNextTokenException", Message: "The NextToken value is invalid."}
		}
	}
	if in.SortBy != "" && in.SortBy != "created-date" || in.SortOrder == "desc" {
		return listSorted(c, in, after)
	}
	return listInOrder(c, in, after), nil
}

// listInOrder pages through the secrets as created. A token holds the last one seen, so that a list whose head is
// deleted meanwhile loses nothing.
func listInOrder(c *core.Call, in listSecretsInput, after int) listSecretsOutput {
	order := secretsAt(c.AWS, c.Location).order
	from, _ := slices.BinarySearchFunc(order, after+1, func(s *secret, seq int) int { return cmp.Compare(s.seq, seq) })
	out, size := listSecretsOutput{SecretList: []*secretEntry{}}, in.size()
	last := 0
	for _, s := range order[from:] {
		shown := listed(c, s, in)
		if shown == nil {
			continue
		}
		if len(out.SecretList) == size {
			out.NextToken = core.PageToken(last)
			break
		}
		out.SecretList, last = append(out.SecretList, shown), s.seq
	}
	return out
}

func (in listSecretsInput) size() int {
	if in.MaxResults == 0 {
		return secretsPage
	}
	return in.MaxResults
}

// listed is the secret as the list shows it now, nil where it does not.
func listed(c *core.Call, s *secret, in listSecretsInput) *secretEntry {
	var shown *secretEntry
	switch {
	case s.stale.holds(c.Now):
		if shown = s.stale.entry; shown == nil {
			return nil
		}
	case s.gone || living(c.AWS, s) == nil:
		return nil
	default:
		shown = s.entry()
	}
	if shown.DeletedDate != nil && !in.IncludePlannedDeletion {
		return nil
	}
	for _, filter := range in.Filters {
		if !filter.matches(shown) {
			return nil
		}
	}
	return shown
}

func listSorted(c *core.Call, in listSecretsInput, from int) (any, error) {
	var all []*secretEntry
	for _, s := range slices.Clone(secretsAt(c.AWS, c.Location).order) {
		if shown := listed(c, s, in); shown != nil {
			all = append(all, shown)
		}
	}
	dates := map[string]func(*secretEntry) *float64{
		"created-date":       func(e *secretEntry) *float64 { return e.CreatedDate },
		"last-changed-date":  func(e *secretEntry) *float64 { return e.LastChangedDate },
		"last-accessed-date": func(e *secretEntry) *float64 { return e.LastAccessedDate },
		"name":               nil,
	}
	date, known := dates[cmp.Or(in.SortBy, "created-date")]
	if !known {
		return nil, secretParameter("SortBy " + in.SortBy + " is not supported.")
	}
	slices.SortStableFunc(all, func(x, y *secretEntry) int {
		if date == nil {
			return strings.Compare(x.Name, y.Name)
		}
		return cmp.Compare(seconds(date(x)), seconds(date(y)))
	})
	if in.SortOrder == "desc" {
		slices.Reverse(all)
	}
	from = min(from, len(all))
	to := min(from+in.size(), len(all))
	out := listSecretsOutput{SecretList: append([]*secretEntry{}, all[from:to]...)}
	if to < len(all) {
		out.NextToken = core.PageToken(to)
	}
	return out, nil
}

func seconds(at *float64) float64 {
	if at == nil {
		return 0
	}
	return *at
}

var filterKeys = []string{"description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"}

func checkFilters(filters []secretFilter) error {
	for _, filter := range filters {
		if !slices.Contains(filterKeys, filter.Key) {
			return &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value '" + filter.Key + "' at 'filters.1.member.key' failed to satisfy constraint: " +
				"Member must satisfy enum value set: [all, name, tag-key, description, tag-value, primary-region, owning-service]"}
		}
		if len(filter.Values) == 0 {
			return secretParameter("Invalid filter values for key: " + filter.Key)
		}
	}
	return nil
}

// matches compares one filter: any plain value must match, and no value behind "!" may.
func (f secretFilter) matches(e *secretEntry) bool {
	plain, hit := false, false
	for _, value := range f.Values {
		if unwanted, negated := strings.CutPrefix(value, "!"); negated {
			if f.matchesOne(e, unwanted) {
				return false
			}
			continue
		}
		plain = true
		hit = hit || f.matchesOne(e, value)
	}
	return hit || !plain
}

// matchesOne compares by prefix; only descriptions and "all" do not mind the case.
func (f secretFilter) matchesOne(e *secretEntry, value string) bool {
	tag := func(of func(secretTag) string) bool {
		return slices.ContainsFunc(e.Tags, func(t secretTag) bool { return strings.HasPrefix(of(t), value) })
	}
	switch f.Key {
	case "name":
		return strings.HasPrefix(e.Name, value)
	case "description":
		return strings.HasPrefix(strings.ToLower(e.Description), strings.ToLower(value))
	case "tag-key":
		return tag(func(t secretTag) string { return t.Key })
	case "tag-value":
		return tag(func(t secretTag) string { return t.Value })
	case "primary-region":
		return e.PrimaryRegion != "" && strings.HasPrefix(e.PrimaryRegion, value)
	case "owning-service":
		return e.OwningService != "" && strings.HasPrefix(e.OwningService, value)
	default:
		return matchesWords(e, value)
	}
}

// matchesWords is the filter "all": every word begins some word of the secret's attributes.
func matchesWords(e *secretEntry, value string) bool {
	have := wordsOf(e.Name + " " + e.Description + " " + e.PrimaryRegion + " " + e.OwningService)
	for _, tag := range e.Tags {
		have = append(have, wordsOf(tag.Key+" "+tag.Value)...)
	}
	for _, word := range wordsOf(value) {
		if !slices.ContainsFunc(have, func(other string) bool { return strings.HasPrefix(other, word) }) {
			return false
		}
	}
	return true
}

func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
