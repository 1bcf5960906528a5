"""Which words of a text say what it is about.

The others are function words, courtesies, and the words that every question to an administrator's assistant may
contain (machine, server, linux). Words in other languages than English all count.
"""

from __future__ import annotations

import re
from itertools import islice

MAX_TEXT = 20_000
MAX_WORDS = 32
MAX_LENGTH = 48

_FUNCTION = """
a about above across after again against all along already also although always am among an and another any anybody
anyhow anyone anything anyway anywhere are aren around as aside at away be because become becomes been before behind
being below beside besides between beyond both but by can cannot cant could couldn did didn do does doesn doing don
done down due during each eight either else elsewhere enough etc even ever every everybody everyone everything everywhere
except few five for four from further had hadn has hasn have haven having he hence her here hers herself him himself his how
however i if in indeed instead into is isn it its itself just last least less let like likely m ma many may maybe me
merely might mine more most mostly much must mustn my myself near nearly neither never nevertheless next nine no nobody
none nor not nothing now nowhere of off often on once one ones only onto or other others otherwise ought our ours
ourselves out over own per perhaps quite rather re same s seem seems seven several shall shan she should shouldn since six so
some somebody somehow someone something sometime sometimes somewhere soon still such t ten than that the their theirs
them themselves then there thereby therefore these they this those though three through throughout thus to together too
toward towards two under unless until up upon us ve very via was wasn we well were weren what whatever when whenever
where wherever whether which while who whoever whole whom whose why will with within without won would wouldn yes
yet you your yours yourself yourselves d ll arent doesnt dont didnt havent im isnt ive shouldnt thats wont wouldnt
"""
_CONVERSATION = """
able actually bad basically best better bit call called came can case certain come comes
coming completely correct currently correctly dear easily easy eg exact exactly example examples explain fine first force get gets getting give given gives go
goes going gone good got guess happen happened happens hello help hey hi hope idea ie issue keep keeps kind know
later look looking looks lot lots make makes making mean means mind necessary need needed needs new nice normally
ok okay place please possible possibly probably problem problems proper properly put puts quick
quickly really reason recommended right said say saying says see seem seen sort stuff
suddenly suggest supposed sure take taken takes taking tell tells thank thanks thing things think thought told took
tried tries try trying understand use used useful uses using usual usually want wanted wants way ways went
whats wish wonder wondering work working works wrong
"""
_DOMAIN = """
box command commands computer computers distro host linux machine machines pc server servers software system systemctl
systemd systems
"""

# a document whose title does not name them is no answer to a question that does
SUBJECTS = """
cpp alexa algorithm android ansible autocad awk aws bake beer birthday bitcoin bluetooth boyfriend bread btrfs cake carpet
cat chess cisco coffee cook css database dentist desktop diet django doctor dog eclipse essay excel facebook flask
flatpak flight football gaming gcp girlfriend git github gitlab gmail gnome golang google gpg haiku haskell helm
holiday homework horoscope hotel html husband icloud instagram intellij ios ipad iphone iscsi java javascript joke k8s
kafka kde kitchen kotlin kubectl kubernetes latex lenovo linkedin lua lyrics mac macbook macos matlab medicine
mortgage movie multipath netbeans netflix nintendo npm numpy nvidia onedrive openshift outlook pancake pandas paypal
pgp photoshop php pizza planet playstation poem pointer powerpoint powershell president printer printing pxe pycharm
python react recipe reddit regex regexp restaurant ruby rust samsung scala screenshot sed sharepoint siri skype slack
soccer song soup spotify swift tea telegram tensorflow terraform tiktok tomato touchpad twitter typescript vacation
venv vim virtualenv vscode wallpaper weather webcam wedding whatsapp whiteboard wife wifi windows wine wireless
wordpress xbox youtube zfs zoom
"""

_STOP_WORDS = frozenset(f"{_FUNCTION} {_CONVERSATION} {_DOMAIN}".split())
_WORD = re.compile(r"[^\W_]+")


def informative(text: str) -> list[str]:
    """Each once, in their order; of a long text the first ones only."""
    words = (
        word for word in _WORD.findall(text[:MAX_TEXT].casefold().replace("c++", "cpp")) if word not in _STOP_WORDS
    )
    return list(islice(dict.fromkeys(word[:MAX_LENGTH] for word in words), MAX_WORDS))
