"""No vendor's, but as many are built: it cannot say what changed, deletes nobody, gives an address of a next page to the
last one too, answers a create with nothing, wants members that no CRM has, and says of each field what is wrong with it."""
from vendor import Refused, Vendor, known_or_odd

FIELDS = ("email", "given", "family", "phone", "about")


class Quiet(Vendor):
    objects, page = ("people",), 20

    def touch(self, name, one):
        one["changed"] = self.tick()

    def wrong(self, values):
        """What is wrong with values, by field."""
        wrong = {}
        if len(values.get("phone") or "") > 20: wrong["phone"] = ["Ensure this field has no more than 20 characters."]
        if values.get("email") in [one["email"] for one in self.records["people"].values()]:
            wrong["email"] = ["person with this email already exists."]
        return wrong

    def answer(self, ask):
        rest, people = ask.parts[1:], self.records["people"]
        if ask.path == "/account": return {"id": 7}
        if rest == [] and ask.method == "GET":
            asked = ask.only("page", "email")
            found = [one for one in people.values() if "email" not in asked or one["email"].lower() == asked["email"].lower()]
            start = (int(asked.get("page", 1)) - 1) * self.page
            return {"results": found[start:start + self.page], "meta": {"more": len(found) > start + self.page},
                    "next": f"{self.url}/people?page={int(asked.get('page', 1)) + 1}"}
        if rest == []:
            body = dict(ask.json)
            meta, mail = body.pop("meta", {}), body.pop("login", None)
            if meta.get("source") != "crm" or not mail: raise Refused(400, {"meta": ["This field is required."]})
            known_or_odd({**body, "email": mail}, FIELDS, "the field")
            if wrong := self.wrong({**body, "email": mail}): raise Refused(400, wrong)
            one = {"id": self.new_id(), **{name: "" for name in FIELDS}, **body, "email": mail, "meta": meta}
            people[str(one["id"])] = one
            self.touch("people", one)
            return 204, None
        one = people.get(rest[0])
        if not one: raise Refused(404, {"error": "no such person"})
        if ask.method == "DELETE": raise Refused(403, {"error": "nobody is deleted here"})
        if ask.method in ("PATCH", "PUT"):
            known_or_odd(ask.json, FIELDS, "the field")
            others = {name: value for name, value in ask.json.items() if value != one[name]}
            if wrong := self.wrong(others):
                errors = [{"loc": ["body", name], "msg": texts[0]} for name, texts in wrong.items()]
                raise Refused(422, {"detail": errors} if ask.method == "PUT" else wrong)
            one.update(ask.json)
            self.touch("people", one)
        return one


server = Quiet
