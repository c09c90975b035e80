"""The page's words for what the station calls by keys: labels, states, roles, kinds of alarms."""

from __future__ import annotations

from collections.abc import Mapping

from saec.frame.reason_words import verdict_sentence
from saec.station.page.words.languages import Wording, msgid
from saec.types import VerdictRecord

TERMS: Mapping[str, Mapping[str, str]] = {
    "label": {
        "good": msgid("Good"),
        "defect": msgid("Defect"),
        "error": msgid("Not judged"),
        "waiting": msgid("Waiting"),
    },
    "decider": {
        "edge": msgid("the edge"),
        "cloud": msgid("the cloud"),
        "edge-fallback": msgid("the edge, for the cloud"),
        "none": msgid("nobody"),
    },
    "state": {
        "final": msgid("final"),
        "provisional": msgid("provisional"),
        "error": msgid("not judged"),
        "part": msgid("of the part"),
        "waiting": msgid("no verdict in time"),
    },
    "rule": {
        "any-defect": msgid("any defect"),
        "newest": msgid("the newest view of each source"),
        "vote": msgid("vote"),
    },
    "link": {
        "new": msgid("not asked yet"),
        "up": msgid("connected"),
        "slow": msgid("slow"),
        "down": msgid("not connected"),
        "probing": msgid("is tried again with the next frame that needs it"),
    },
    "address": {
        "up": msgid("is asked"),
        "resting": msgid("rests after failures"),
        "other weights": msgid("has weights that are not trusted"),
    },
    "cloud": {
        "fused": msgid("decides with the edge"),
        "advisory": msgid("only advises"),
        "unasked": msgid("is not asked"),
        "alone": msgid("decides alone"),
    },
    "role": {
        "viewer": msgid("Viewer"),
        "operator": msgid("Operator"),
        "engineer": msgid("Engineer"),
        "admin": msgid("Administrator"),
        "shell": msgid("command line"),
        "station": msgid("the station itself"),
        "program": msgid("a PLC or another program"),
    },
    "alarm": {
        "aside": msgid("Unknown image files"),
        "audit": msgid("Audit not kept"),
        "camera": msgid("Camera lost"),
        "camera-address": msgid("Camera at another address"),
        "camera-pictures": msgid("Pictures of a camera lost"),
        "camera-settings": msgid("Camera refuses its settings"),
        "camera-trigger": msgid("Trigger without a picture"),
        "certificate": msgid("Certificate"),
        "clock": msgid("Clock wrong"),
        "cloud-failed": msgid("Cloud failed"),
        "cloud-untrusted": msgid("Cloud not trusted"),
        "cloud-weights": msgid("Cloud has other weights"),
        "code-unread": msgid("Code not read"),
        "coupler": msgid("Coupler not reached"),
        "disagreement": msgid("Late answer differs"),
        "drift": msgid("Scores have drifted"),
        "edge": msgid("Frame not readable"),
        "encoder": msgid("Encoder jumped"),
        "folder": msgid("Watched folder"),
        "guard-blurred": msgid("Frame blurred"),
        "guard-bright": msgid("Frame too bright"),
        "guard-dark": msgid("Frame too dark"),
        "guard-empty": msgid("No part in view"),
        "handshake": msgid("Handshake of a PLC"),
        "no-such-line": msgid("Line not in the settings"),
        "no-such-sink": msgid("Receiver not in the settings"),
        "output-late": msgid("Verdict late for an output"),
        "output-lost": msgid("Parts lost before an output"),
        "output-missed": msgid("Pulse missed"),
        "page": msgid("This page failed"),
        "part-differs": msgid("Later views of a part differ"),
        "part-incomplete": msgid("Part not complete"),
        "part-unknown": msgid("Frame without part id"),
        "passed-over": msgid("Items passed over"),
        "picture": msgid("No picture for a trigger"),
        "plc": msgid("PLC not reached"),
        "quarantined": msgid("Frame in quarantine"),
        "recipe": msgid("No recipe in force"),
        "recipe-camera": msgid("Camera not set for the recipe"),
        "refused": msgid("Frames refused"),
        "sink": msgid("Receiver away"),
        "sink-dropped": msgid("Verdicts given up"),
        "sink-long": msgid("Many verdicts wait"),
        "sink-refused": msgid("Receiver refuses a verdict"),
        "storage": msgid("Storage"),
        "thread": msgid("A part of the station failed"),
        "tokens": msgid("Tokens file"),
        "undelivered": msgid("Verdicts not delivered"),
        "unfinished": msgid("File not finished"),
        "version-failed": msgid("Version does not open"),
        "waiting": msgid("Frames wait"),
    },
    "source": {
        "ended": msgid("at its end"),
        "connected": msgid("connected"),
        "hangs": msgid("hangs in its driver"),
        "incomplete": msgid("loses packets"),
        "lost": msgid("lost"),
        "refusing": msgid("refuses its settings"),
        "playing": msgid("playing"),
        "running": msgid("running"),
        "watching": msgid("watched"),
    },
    "sink": {
        "new": msgid("nothing sent yet"),
        "up": msgid("connected"),
        "away": msgid("not connected"),
        "refusing": msgid("refuses verdicts"),
    },
    "storage": {
        "budget": msgid("Limit"),
        "used": msgid("Used of it"),
        "images": msgid("Images"),
        "database": msgid("Database"),
        "maps": msgid("Pictures of maps"),
        "lines": msgid("Versions of lines"),
        "aside": msgid("Unknown files"),
    },
    "action": {
        "backup.make": msgid("Back-up made"),
        "backup.restore": msgid("Back-up restored"),
        "alarm.acknowledge": msgid("Alarm acknowledged"),
        "evidence.download": msgid("Evidence taken away"),
        "evidence.export": msgid("Evidence exported"),
        "keys.make": msgid("Key made"),
        "keys.revoke": msgid("Key revoked"),
        "keys.rotate": msgid("Key replaced"),
        "letters.aside": msgid("Undelivered verdict put aside"),
        "letters.drop": msgid("Undelivered verdicts dropped"),
        "letters.resend": msgid("Undelivered verdicts sent again"),
        "line.add": msgid("Version added"),
        "line.promote": msgid("Version promoted"),
        "line.rollback": msgid("Line rolled back"),
        "line.shadow": msgid("Shadow begun or ended"),
        "person.add": msgid("Person added"),
        "person.disable": msgid("Person disabled"),
        "person.enable": msgid("Person enabled"),
        "person.log_in": msgid("Log-in"),
        "person.log_out": msgid("All sessions ended"),
        "person.password": msgid("Password set"),
        "person.pseudonyms": msgid("Pseudonyms looked up"),
        "person.remove": msgid("Person removed"),
        "person.role": msgid("Role changed"),
        "quarantine.release": msgid("Frame released from quarantine"),
        "recipe.choose": msgid("Recipe chosen"),
        "station.repair": msgid("Database repaired"),
    },
    "actions": {
        "alarm": msgid("Alarms"),
        "backup": msgid("Back-ups"),
        "evidence": msgid("Evidence"),
        "keys": msgid("Keys"),
        "letters": msgid("Undelivered verdicts"),
        "line": msgid("Versions of lines"),
        "person": msgid("People"),
        "quarantine": msgid("Quarantine"),
        "recipe": msgid("Recipes"),
        "station": msgid("Station"),
    },
    "key": {
        "active": msgid("signs"),
        "retired": msgid("replaced"),
        "revoked": msgid("revoked"),
    },
    "value": {
        "content": msgid("hash of its files"),
        "count": msgid("how many"),
        "ended": msgid("ended at"),
        "enabled": msgid("may log in"),
        "frames": msgid("frames"),
        "made": msgid("made at"),
        "n": msgid("number"),
        "public": msgid("public key"),
        "replay": msgid("judged again"),
        "row": msgid("row of the change"),
        "since": msgid("begin"),
        "until": msgid("end"),
        "current": msgid("current version"),
        "error": msgid("error"),
        "model": msgid("cloud model"),
        "previous": msgid("version before"),
        "role": msgid("role"),
        "sessions": msgid("sessions"),
        "shadow": msgid("shadow"),
        "state": msgid("state"),
        "version": msgid("version"),
        "via": msgid("logged in by"),
    },
}
"""Groups of keys, each with its word in English."""


SAID = (
    msgid("name or password is wrong"),
    msgid("try again, or ask an admin for a new password"),
    msgid("too many wrong passwords"),
    msgid("try again in # min, or ask an admin"),
    msgid("a password has # to # characters, and this one has #"),
    msgid("this code makes no admin"),
    msgid("run `saec station people setup-code` on the station's machine"),
    msgid("the password holds the name, or is almost one character"),
    msgid("take several words that do not belong together"),
    msgid("use 1 to 64 letters, digits and . _ - @ + ' or spaces between them"),
    msgid("this log-in was not begun in this browser, or too long ago"),
    msgid("log in again"),
    msgid("the provider has not let you in"),
    msgid("log in again, or ask its admin"),
    msgid("you have no role at this station"),
    msgid("ask its admin for one"),
)
"""Sentences of the station that a person may see at a log-in; named here for the catalogues."""


def term(wording: Wording, group: str, key: str) -> str:
    """The word for a key; the key itself where none is known."""
    return wording.gettext(TERMS[group].get(key, key))


def reason_in(wording: Wording, verdict: VerdictRecord) -> str:
    """Why a verdict is what it is, as a sentence."""
    return wording.gettext(verdict_sentence(verdict))


def label_key(label: int | None, state: str) -> str:
    """The key of a verdict's label, by which it has its word, shape and colour."""
    if state == "error" or label is None:
        return "error"
    return "defect" if label == 1 else "good"
