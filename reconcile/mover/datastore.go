package mover

// Title is what people call an engine.
func (e Engine) Title() string { return titles[e] }

var titles = map[Engine]string{PostgreSQL: "PostgreSQL", MongoDB: "MongoDB"}

// StandardMongoPort is where MongoDB listens when nobody says otherwise.
const StandardMongoPort = 27017
