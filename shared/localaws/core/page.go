package core

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const pagePrefix = "page:" // makes a token opaque enough that a client cannot mistake it for a count

// PageToken is the token of the page that begins at an index.
func PageToken(from int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(pagePrefix + strconv.Itoa(from)))
}

// PageStart is the index in a token; what is no token is an InvalidNextTokenException.
func PageStart(token string) (int, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	number, found := strings.CutPrefix(string(text), pagePrefix)
	from, convErr := strconv.Atoi(number)
	if err != nil || convErr != nil || !found || from < 0 {
		return 0, &Error{Code: "InvalidNextTokenException", Message: "Invalid pagination token."}
	}
	return from, nil
}

// Page cuts one page out of n items: from the index in the token, size long. Next is "" at the end.
func Page(n int, token string, size, most int) (from, to int, next string, err error) {
	if size <= 0 || size > most {
		size = most
	}
	if token != "" {
		if from, err = PageStart(token); err != nil {
			return 0, 0, "", err
		}
	}
	from = min(from, n)
	to = min(from+size, n)
	if to < n {
		next = PageToken(to)
	}
	return from, to, next, nil
}

// SortedKeys are the keys of a map, sorted.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
