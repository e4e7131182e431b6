package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// explained reads why mutants of a room may live: blocks as a run prints them, each followed by a reason.
//
//	state.go State
//		if len(v.Keys) >= 0 {
//		>= to >
//		A version without keys was refused when it was read.
func explained(name string) (map[site]string, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	reasons := map[site]string{}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		block = strings.TrimSpace(block)
		if block == "" || strings.HasPrefix(block, "#") {
			continue
		}
		lines := strings.Split(block, "\n")
		file, function, named := strings.Cut(lines[0], " ")
		if len(lines) < 4 || !named {
			return nil, fmt.Errorf("%s: %q is not a file and a function, the code, the change and the reason", name, block)
		}
		s := site{file: file, function: function, code: strings.TrimSpace(lines[1]), nth: 1}
		var number string
		s.change, number, named = strings.Cut(strings.TrimSpace(lines[2]), " (")
		if named {
			if _, err := fmt.Sscanf(number, "%d)", &s.nth); err != nil {
				return nil, fmt.Errorf("%s: read %q: %w", name, lines[2], err)
			}
		}
		if _, twice := reasons[s]; twice {
			return nil, fmt.Errorf("%s: %q is explained twice", name, lines[0])
		}
		reasons[s] = strings.TrimSpace(strings.Join(lines[3:], " "))
	}
	return reasons, nil
}
