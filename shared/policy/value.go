package policy

import (
	"cmp"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// decimal is a number compared digit by digit, so that no precision is lost.
type decimal struct {
	negative        bool
	whole, fraction string // without leading and trailing zeros
}

func parseDecimal(s string) (decimal, bool) {
	s = strings.TrimSpace(s)
	var d decimal
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		d.negative, s = true, rest
	} else {
		s = strings.TrimPrefix(s, "+")
	}
	whole, fraction, dotted := strings.Cut(s, ".")
	if whole == "" && fraction == "" || dotted && fraction == "" || !digits(whole) || !digits(fraction) {
		return decimal{}, false
	}
	d.whole, d.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if d.whole == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (d decimal) compare(other decimal) int {
	if d.negative != other.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	order := cmp.Compare(len(d.whole), len(other.whole))
	if order == 0 {
		order = cmp.Compare(d.whole, other.whole)
	}
	if order == 0 {
		order = cmp.Compare(d.fraction, other.fraction)
	}
	if d.negative {
		return -order
	}
	return order
}

// dateLayouts are the forms of ISO 8601 that the W3C profile names, and the basic form; without a zone they are UTC.
var dateLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02",
	"2006-01", "2006", "20060102T150405Z07:00", "20060102T150405", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z0700",
}

// parseDate reads an ISO 8601 date or seconds since the epoch.
func parseDate(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if len(s) != 4 && s != "" && digits(strings.TrimPrefix(s, "-")) {
		seconds, err := strconv.ParseInt(s, 10, 64)
		return time.Unix(seconds, 0), err == nil
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if d, ok := parseDecimal(s); ok && len(s) != 4 && !d.negative {
		seconds, err := strconv.ParseFloat(s, 64)
		return time.Unix(0, int64(seconds*1e9)), err == nil
	}
	return time.Time{}, false
}

func parseBool(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

// parseNetwork reads an address or a network in CIDR notation; a plain address is a network of one.
func parseNetwork(s string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(strings.TrimSpace(s)); err == nil {
		return prefix.Masked(), true
	}
	address, ok := parseAddress(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(address, address.BitLen()), true
}

func parseAddress(s string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(strings.TrimSpace(s))
	return address, err == nil && address.Zone() == ""
}

func parseBinary(s string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(s)
	return string(raw), err == nil
}
