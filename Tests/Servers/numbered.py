"""No vendor's, but as many are built: numbered pages, the last changed record first, so that whoever is edited while a
listing runs moves to a page that was read and the others move on by one."""
from vendor import Refused, Vendor, known_or_odd

FIELDS = ("email", "given", "family", "phone")


class Numbered(Vendor):
    objects, page = ("people",), 20
    #: Edits that are left, one after each page that is asked for.
    restless = 39

    def __init__(self, url):
        super().__init__(url)
        for number in range(200):
            self.add({"email": f"no{number}@x.example", "given": f"No{number}", "family": "Same"})

    def add(self, values):
        one = {"id": self.new_id(), **{name: "" for name in FIELDS}, **values}
        self.records["people"][str(one["id"])] = one
        self.touch("people", one)
        return one

    def touch(self, name, one):
        one["changed"] = self.tick()

    def answer(self, ask):
        rest, people = ask.parts[1:], self.records["people"]
        if ask.path == "/account": return {"id": 7}
        if rest == [] and ask.method == "GET":
            asked = ask.only("page", "email", "since")
            if "email" in asked: return {"results": [one for one in people.values() if one["email"].lower() == asked["email"].lower()]}
            since, number = int(asked.get("since", 0)), int(asked["page"])
            found = sorted((one for one in people.values() if one["changed"] * 1000 >= since), key=lambda one: -one["changed"])
            shown = found[(number - 1) * self.page:number * self.page]
            behind = found[number * self.page:]
            if self.restless and behind:
                self.restless -= 1
                behind[len(behind) // 2]["phone"] = f"555 00{self.restless:02}"
                self.touch("people", behind[len(behind) // 2])
            return {"results": shown, "next": f"{self.url}/people?page={number + 1}&since={since}" if behind else None}
        if rest == []:
            body = ask.json
            known_or_odd(body, FIELDS, "the field")
            return 201, self.add(body)
        one = people.get(rest[0])
        if not one: raise Refused(404, {"error": "no such person"})
        if ask.method == "DELETE":
            del people[rest[0]]
            return 204, None
        if ask.method == "PATCH":
            known_or_odd(ask.json, FIELDS, "the field")
            one.update(ask.json)
            self.touch("people", one)
        return one


server = Numbered
