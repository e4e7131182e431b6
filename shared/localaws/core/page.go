package core

import (
	"encoding/base64"
	"strconv"
	"strings"
)

const pagePrefix = "page:" // makes a token opaque enough that a client cannot mistake it for a count

func PageToken(from int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(pagePrefix + strconv.Itoa(from)))
}

func PageStart(token string) (int, error) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	number, found := strings.CutPrefix(string(text), pagePrefix)
	from, convErr := strconv.Atoi(number)
	if err != nil || convErr != nil || !found || from < 0 {
		return 0, &Error{Code: "InvalidNextTokenException", Message: "Invalid pagination token."}
	}
	return from, nil
}
