package keyreview

import "strings"

// around is how many unchanged lines a diff shows on each side of a change.
const around = 2

// diff shows the lines that differ between two texts, with a little around them; "" when there are none.
func diff(before, after string) string {
	a, b := strings.Split(strings.TrimRight(before, "\n"), "\n"), strings.Split(strings.TrimRight(after, "\n"), "\n")
	lines := edits(a, b)
	keep := make([]bool, len(lines))
	changed := false
	for i, line := range lines {
		if line[0] != ' ' {
			changed = true
			for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
				keep[j] = true
			}
		}
	}
	if !changed {
		return ""
	}
	var out strings.Builder
	for i, line := range lines {
		switch {
		case keep[i]:
			out.WriteString(line + "\n")
		case i > 0 && keep[i-1]:
			out.WriteString("…\n")
		}
	}
	return out.String()
}

// edits is the shortest way from a to b, line by line, each marked " ", "-" or "+".
func edits(a, b []string) []string {
	same := make([][]int, len(a)+1) // same[i][j]: lines that a[i:] and b[j:] can share
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				same[i][j] = same[i+1][j+1] + 1
			} else {
				same[i][j] = max(same[i+1][j], same[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && same[i+1][j] >= same[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}
