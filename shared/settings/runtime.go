package settings

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
)

// MaxRuntime is how many bytes of EnvConfig we allow ourselves. Lambda allows 4,096 bytes for all the variables of a
// function together (Lambda quotas), and the others need their part.
const MaxRuntime = 3072

// compressed marks an EnvConfig that is gzip in base64, for organizations whose plain JSON would not fit.
const compressed = "gz:"

// Runtime is the part of doublelock.yaml that a handler needs. It travels as EnvConfig.
type Runtime struct {
	Default   guard.Mode            `json:"default,omitempty"`  // mode of what nothing else names; "" is observe
	Accounts  map[string]guard.Mode `json:"accounts,omitempty"` // by account id
	OUs       map[string]guard.Mode `json:"ous,omitempty"`      // by OU or root id; the nearest wins
	Approved  guard.Approved        `json:"approved,omitzero"`
	Approvers Approvers             `json:"approvers,omitzero"` // who may write what approves keys; nobody where no alias or tag does
	Use       []KeyChoice           `json:"use,omitempty"`
	Owners    Owners                `json:"owners,omitzero"`
	Overview  map[string]string     `json:"overview,omitempty"` // by field of the channel list: the address that gets every message
	Waivers   []Waiver              `json:"waivers,omitempty"`
	Limits    Limits                `json:"limits,omitzero"`
	Migration Migration             `json:"migration,omitzero"`
	// AlwaysKeep are patterns of roles that keep access to every secret that is moved: break-glass roles and operators.
	AlwaysKeep []string `json:"alwaysKeep,omitempty"`
	Keep       int      `json:"keep,omitempty"`   // days for which resolved findings are kept; 0 is the default
	Enroll     []string `json:"enroll,omitempty"` // OUs whose accounts have the member stack; empty is the whole organization
}

// Runtime picks what the handlers need. Stages that come later in the file win where two name the same target.
func (c Config) Runtime() Runtime { return standard().Runtime(c) }

// Runtime is the package's for the channels of a format. Of the owners' addresses it has those that are carried.
func (f Format) Runtime(c Config) Runtime {
	r := Runtime{
		Default: guard.ModeObserve, Accounts: map[string]guard.Mode{}, OUs: map[string]guard.Mode{},
		Approved: guard.Approved{
			Accounts: c.Keys.Approved.Accounts, ARNs: c.Keys.Approved.ARNs,
			Aliases: c.Keys.Approved.Aliases, Tags: c.Keys.Approved.Tags,
		},
		Use: c.Keys.Use, Owners: f.reached(c), Overview: c.Overview(), Waivers: c.Waivers, Limits: c.Limits, Migration: c.Migration,
		AlwaysKeep: append(slices.Clip(c.BreakGlass), c.Operations.Operators...),
	}
	if c.Retention.FindingDays != defaults().Retention.FindingDays {
		r.Keep = c.Retention.FindingDays // the environment is small: what goes without saying is not said
	}
	if !slices.Contains(c.Organization.Enroll, c.Organization.RootID) {
		r.Enroll = c.Organization.Enroll
	}
	if c.Keys.Approved.byName() {
		r.Approvers = c.Approvers()
	}
	for _, stage := range c.Rollout {
		for _, account := range stage.Accounts {
			r.Accounts[account] = stage.Mode
		}
		for _, target := range stage.Targets {
			if strings.HasPrefix(target, "ou-") || strings.HasPrefix(target, "r-") {
				r.OUs[target] = stage.Mode
				continue
			}
			r.Accounts[target] = stage.Mode
		}
	}
	return r
}

// Env writes the runtime configuration as the value of EnvConfig: JSON, compressed when the JSON is too long. It
// errs when even that does not fit into MaxRuntime bytes. The same configuration always gives the same value.
func (r Runtime) Env() (string, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", EnvConfig, err)
	}
	if len(raw) <= MaxRuntime {
		return string(raw), nil
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return "", fmt.Errorf("compress %s: %w", EnvConfig, err)
	}
	if _, err := w.Write(raw); err != nil {
		return "", fmt.Errorf("compress %s: %w", EnvConfig, err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("compress %s: %w", EnvConfig, err)
	}
	value := compressed + base64.StdEncoding.EncodeToString(packed.Bytes())
	if len(value) > MaxRuntime {
		return "", &FieldError{
			Field: r.largest(),
			What:  fmt.Sprintf("the configuration of the functions (%s) has %d bytes, at most %d fit", EnvConfig, len(value), MaxRuntime),
			Fix:   "name OUs instead of accounts in stages, let teams share a channel, or drop expired waivers",
		}
	}
	return value, nil
}

// largest is the field of doublelock.yaml that takes the most room.
func (r Runtime) largest() string {
	size := func(v any) int {
		raw, err := json.Marshal(v)
		if err != nil {
			return 0
		}
		return len(raw)
	}
	return Largest(Part{"rollout", size(r.Accounts) + size(r.OUs)}, Part{"owners.channels", size(r.Owners)},
		Part{"waivers", size(r.Waivers)}, Part{"migration.accepted", size(r.Migration)}, Part{"keys.use", size(r.Use)}, Part{"keys.approved", size(r.Approved) + size(r.Approvers)})
}

// ParseRuntime reads the value of EnvConfig. An unknown key is an error: infra and handlers are deployed together.
func ParseRuntime(value string) (Runtime, error) {
	var r Runtime
	raw, err := unpackRuntime(value)
	if err != nil {
		return r, fmt.Errorf("read %s: %w", EnvConfig, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return Runtime{}, fmt.Errorf("read %s: %w", EnvConfig, err)
	}
	if err := r.checkModes(); err != nil {
		return Runtime{}, fmt.Errorf("read %s: %w", EnvConfig, err)
	}
	return r, nil
}

func unpackRuntime(value string) ([]byte, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return []byte("{}"), nil
	}
	packed, ok := strings.CutPrefix(value, compressed)
	if !ok {
		return []byte(value), nil
	}
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(zip, 1<<20))
}

func (r Runtime) checkModes() error {
	modes := map[string]guard.Mode{}
	for where, m := range r.Accounts {
		modes["account "+where] = m
	}
	for where, m := range r.OUs {
		modes["OU "+where] = m
	}
	if r.Default != "" {
		modes["default"] = r.Default
	}
	for where, m := range modes {
		if _, err := guard.ParseMode(string(m)); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// Mode is the mode of a secret: its account's, else that of the nearest OU that has one (path runs from the
// account's parent up to the root), else the default. The secret's own tag TagMode may ask for more than its account
// gives, from notify on; it can never ask for less, because whoever can tag a secret could then silence the guard.
func (r Runtime) Mode(account string, path []string, tags map[string]string) guard.Mode {
	mode := r.modeOf(account, path)
	if asked := guard.Mode(tags[TagMode]); mode == guard.ModeNotify && asked == guard.ModeRemediate {
		return guard.ModeRemediate
	}
	return mode
}

func (r Runtime) modeOf(account string, path []string) guard.Mode {
	if m, ok := r.Accounts[account]; ok {
		return m
	}
	for _, ou := range path {
		if m, ok := r.OUs[ou]; ok {
			return m
		}
	}
	if r.Default == "" {
		return guard.ModeObserve
	}
	return r.Default
}

// Enrolled reports whether an account has the member stack: path is what is above it, in any order. The management
// account is the caller's to know: it has the stack whatever is enrolled.
func (r Runtime) Enrolled(account string, path []string) bool {
	if len(r.Enroll) == 0 {
		return true
	}
	return slices.ContainsFunc(r.Enroll, func(target string) bool { return target == account || slices.Contains(path, target) })
}

// KeyFor names the key to put a secret under: the first choice that matches, else the account's own SecretsKeyAlias.
func (r Runtime) KeyFor(account, region string, tags map[string]string) string {
	for _, choice := range r.Use {
		if choice.matches(account, region, tags) {
			return choice.Key
		}
	}
	return SecretsKeyAlias
}

func (k KeyChoice) matches(account, region string, tags map[string]string) bool {
	if !oneOf(k.Accounts, account) || !oneOf(k.Regions, region) {
		return false
	}
	for name, value := range k.Tags {
		if tags[name] != value {
			return false
		}
	}
	return true
}

// oneOf reports whether a list of criteria accepts a value; an empty list accepts all.
func oneOf(list []string, value string) bool {
	for _, v := range list {
		if v == value {
			return true
		}
	}
	return len(list) == 0
}

// GuardWaivers returns the waivers as guard takes them.
func (r Runtime) GuardWaivers() []guard.Waiver {
	waivers := make([]guard.Waiver, 0, len(r.Waivers))
	for _, w := range r.Waivers {
		waivers = append(waivers, guard.Waiver(w))
	}
	return waivers
}
