package topics

// CleanSubject is for the fuzz test.
var CleanSubject = cleanSubject
