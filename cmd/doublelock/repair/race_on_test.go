//go:build race

package repair_test

const raceDetector = true
