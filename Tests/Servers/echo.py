"""No vendor's: it gives back what it was told, credentials and all, and colours what it says."""
import base64
from vendor import Refused, Vendor

MARK = "\x1b[31mMARKED-ESCAPE\x07"


class Echo(Vendor):
    objects = ("people",)

    def __init__(self, url):
        super().__init__(url)
        self.records["people"]["1"] = {"id": "1", "email": "ann@x.example", "given": f"Ann{MARK}", "city": "Oslo", "changed": self.tick(),
                                       "version": f"1\r\nX-Marked: 1{MARK}"}

    def answer(self, ask):
        sent = ask.headers.get("Authorization", "")
        plain = base64.b64decode(sent.split(" ")[-1] + "==").decode(errors="replace") if sent else ""
        if ask.headers.get("X-Marked"): return Refused(400, {"error": "MARKED-HEADER"})
        if ask.path == "/account": return {"id": 9}
        if ask.method == "GET" and ask.parts[1:] == []: return {"results": list(self.records["people"].values())}
        if ask.method == "GET" and ask.parts[1] == "1": return self.records["people"]["1"]
        raise Refused(400, {"error": f"{MARK} you said {sent} which is {plain} {ask.raw.decode(errors='replace')}"})


server = Echo
