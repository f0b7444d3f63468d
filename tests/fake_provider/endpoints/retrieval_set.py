"""A retrieval set: passages on ten topics, five near ones each, and two queries for each, partly in other words."""

from __future__ import annotations

from typing import Final, NamedTuple


class Passage(NamedTuple):
    """A passage, and the queries that it answers."""

    text: str
    queries: tuple[str, str]


PASSAGES: Final = (
    # A bakery
    Passage(
        "Sourdough begins with a starter of flour and water that wild yeast has colonised. Feed it every day at room "
        "temperature, or once a week if it lives in the fridge.",
        ("How often must I feed a sourdough starter?", "keeping wild yeast alive in the refrigerator"),
    ),
    Passage(
        "Rye flour has little gluten, so its dough stays sticky and is never kneaded for long. A tin keeps the loaf "
        "from spreading, and it slices best on the day after baking.",
        ("Why is rye dough so sticky?", "when can I slice a rye loaf"),
    ),
    Passage(
        "For croissants, cold butter is folded into the dough three times. Between the folds the dough rests for half "
        "an hour in the cold, or the layers melt into each other.",
        ("How many times is butter folded into croissant dough?", "resting laminated pastry so layers do not melt"),
    ),
    Passage(
        "Steam in the first ten minutes keeps the crust soft, so that the bread can rise in the oven. A tray of "
        "boiling water on the lowest rack is enough.",
        ("getting steam into a home oven for bread", "Why does the crust need boiling water at the start?"),
    ),
    Passage(
        "Our gluten-free cake is made with ground almonds and eggs. It contains nuts and is not suitable for people "
        "with an almond allergy.",
        ("Does the gluten-free cake contain nuts?", "I am allergic to almonds: which cake must I avoid"),
    ),
    # Bicycles
    Passage(
        "A chain is worn when a gauge of 0.75 percent drops in between the links. Replace it then, because a "
        "stretched chain grinds down the cassette and the chainrings.",
        ("How do I know that my bicycle chain is worn?", "what happens to the cassette with a stretched chain"),
    ),
    Passage(
        "Hydraulic disc brakes feel spongy when air is in the line. Bleeding them with fresh mineral oil brings the "
        "firm bite of the lever back.",
        ("My disc brakes are spongy", "bleeding a brake lever with mineral oil"),
    ),
    Passage(
        "To set the saddle height, sit with your heel on the pedal at its lowest point: the leg should just be "
        "straight. A saddle that is too low makes the knees ache.",
        ("What is the right saddle height?", "aching knees from a low seat on the bike"),
    ),
    Passage(
        "Wide tyres at low pressure roll well on gravel and save the wrists. For a rider of 75 kg, 40 mm tyres need "
        "about 2.5 bar.",
        ("What tyre pressure should I ride on gravel?", "how wide should gravel tyres be for a heavy rider"),
    ),
    Passage(
        "The battery of an e-bike lasts longest if it is kept between 30 and 80 percent. In winter, carry it indoors "
        "and charge it only when it is warm.",
        ("How do I store an e-bike battery in winter?", "charging an electric bike so that the battery lasts"),
    ),
    # Company handbook
    Passage(
        "Employees have 28 days of paid holiday a year. Up to five unused days carry over until the end of March; the "
        "rest is lost.",
        ("How many days of holiday do employees get?", "can I carry over unused vacation days to March"),
    ),
    Passage(
        "Expenses are paid back within ten days if the receipt is uploaded to the finance portal before the last "
        "Friday of the month.",
        ("When are my expenses paid back?", "where to upload a receipt for reimbursement"),
    ),
    Passage(
        "If you fall ill, tell your team lead before nine in the morning. From the third day of sickness on we need a "
        "doctor's note.",
        ("Whom do I tell when I am ill?", "after how many days of sick leave is a note from the doctor needed"),
    ),
    Passage(
        "New colleagues receive a laptop, a badge and a mentor on their first day. The probation lasts six months, "
        "with a talk about progress after three.",
        ("How long is the probation of new colleagues?", "what does a newcomer get on the first day"),
    ),
    Passage(
        "Work from abroad is allowed for twenty days a year within the European Union, once the personnel department "
        "has agreed in writing.",
        ("Am I allowed to work from abroad?", "working remotely in another country of the European Union"),
    ),
    # Astronomy
    Passage(
        "Saturn's rings are chunks of ice from the size of a grain to that of a house. They are thousands of "
        "kilometres wide, yet mostly less than a hundred metres thick.",
        ("What are the rings of Saturn made of?", "thickness of Saturn's ring system in metres"),
    ),
    Passage(
        "A total eclipse of the sun is seen only along a narrow path, where the moon's shadow crosses the Earth. "
        "Elsewhere a part of the disc stays bright.",
        ("Where can a total solar eclipse be seen?", "the path of the moon's shadow across Earth"),
    ),
    Passage(
        "Neutron stars spin many times a second and sweep beams of radio waves past us like a lighthouse. Seen from "
        "here they pulse, hence the name pulsar.",
        ("Why do pulsars pulse?", "rapidly spinning star that emits radio beams"),
    ),
    Passage(
        "Light from the Andromeda galaxy was on its way for two and a half million years. It is the most distant "
        "thing that can be seen without a telescope.",
        ("How far away is the Andromeda galaxy?", "most distant object visible to the naked eye, no telescope"),
    ),
    Passage(
        "Meteor showers return each year because the Earth crosses the dust that a comet left behind. The Perseids, "
        "in August, are the best known.",
        ("Why do meteor showers come back every year?", "best month to watch the Perseids"),
    ),
    # A bank's help pages
    Passage(
        "To block a lost or stolen debit card, open the app, choose Cards and tap Freeze. A new card arrives by post "
        "within five working days.",
        ("My card was stolen, how do I block it?", "when will the replacement debit card arrive by post"),
    ),
    Passage(
        "Transfers in euros arrive on the next working day; instant transfers take ten seconds and cost nothing. The "
        "daily limit is 10,000 euros.",
        ("What is the daily limit for transfers?", "how fast do instant transfers arrive"),
    ),
    Passage(
        "A mortgage may be repaid early by up to five percent of the loan each year without a fee. Beyond that we "
        "charge for the interest that we lose.",
        ("Can I repay my mortgage early?", "fee for paying off a home loan ahead of time"),
    ),
    Passage(
        "The savings account pays 2.1 percent interest, credited at the end of each quarter. Money can be withdrawn "
        "at any time without notice.",
        ("What interest does the savings account pay?", "withdrawing savings without giving notice"),
    ),
    Passage(
        "We never ask for your PIN or a TAN by telephone or e-mail. If a caller does, hang up and report the phishing "
        "attempt to our fraud line.",
        ("Somebody called and asked for my PIN", "reporting a phishing e-mail to the fraud line"),
    ),
    # Gardening
    Passage(
        "Tomatoes want six hours of sun and a roof against rain, because wet leaves invite blight. Pinch out the side "
        "shoots once a week.",
        ("How much sun do tomatoes want?", "protecting tomato leaves against blight"),
    ),
    Passage(
        "Slugs come out at night and hide under boards by day. Copper tape around the raised bed or a ring of sharp "
        "grit keeps them off the lettuce.",
        ("How do I keep slugs off my lettuce?", "does copper tape stop slugs in a raised bed"),
    ),
    Passage(
        "Roses are pruned when the forsythia blooms. Cut just above a bud that points outwards, and take out all dead "
        "wood.",
        ("When are roses pruned?", "where to cut a rose bush, above which bud"),
    ),
    Passage(
        "Compost needs brown and green matter in turns: dry leaves and cardboard, then grass and peelings. Turned "
        "monthly, it is ready in a year.",
        ("What goes into compost?", "how long until a heap of leaves and peelings is ready compost"),
    ),
    Passage(
        "A lawn is sown in late summer, when the soil is warm and the rain returns. Keep the seed moist for three "
        "weeks and mow it first at eight centimetres.",
        ("When should a new lawn be sown?", "height of grass at the first mowing after seeding"),
    ),
    # Software
    Passage(
        "A deadlock occurs when two transactions wait for each other's locks. The database aborts one of them, which "
        "the program has to run again.",
        ("What is a deadlock in a database?", "my transaction was aborted, should the program run it again"),
    ),
    Passage(
        "An index on the columns of a WHERE clause spares the database a scan of the whole table. Each index makes "
        "writes slower, so drop those that no query uses.",
        ("Why is my query scanning the whole table?", "do more indexes make writes slower"),
    ),
    Passage(
        "Git rebase replays your commits on top of another branch and so gives them new hashes. Never rebase a branch "
        "that others have already pulled.",
        ("What does git rebase do to commits?", "rebasing a branch that others have pulled"),
    ),
    Passage(
        "The service answers 429 when a client sends more than 60 requests a minute. Wait for the seconds in the "
        "Retry-After header before you try again.",
        ("What does status 429 mean?", "how many requests per minute may a client send"),
    ),
    Passage(
        "Logs are kept for thirty days and then deleted. Personal data such as addresses are masked before a line is "
        "written.",
        ("How long are logs kept?", "masking personal data in log lines"),
    ),
    # Health
    Passage(
        "Adults should sleep seven to nine hours. Screens late in the evening delay sleep, as their blue light holds "
        "back melatonin.",
        ("How many hours should adults sleep?", "blue light from screens and melatonin"),
    ),
    Passage(
        "The flu vaccine is renewed each autumn, because the virus changes. It takes two weeks until the protection "
        "is complete.",
        ("Why is a new flu vaccination needed each year?", "how soon does the influenza vaccine protect"),
    ),
    Passage(
        "A sprained ankle is treated with rest, ice, compression and elevation. See a doctor if you can't put weight "
        "on the foot after two days.",
        ("What helps a sprained ankle?", "cannot put weight on my foot, should I see a doctor"),
    ),
    Passage(
        "Iron from meat is absorbed better than iron from plants. Vitamin C in the same meal doubles what the body "
        "takes up, while tea and coffee hinder it.",
        ("How does vitamin C change the absorption of iron?", "is iron from plants taken up as well as from meat"),
    ),
    Passage(
        "High blood pressure rarely hurts, but it strains the heart and the vessels. Less salt, more walking and less "
        "weight lower it without pills.",
        ("How do I lower high blood pressure without pills?", "does hypertension strain the heart"),
    ),
    # Travel
    Passage(
        "Night trains from Vienna to Venice leave at ten in the evening and arrive at half past eight. A bed in a "
        "shared compartment costs 59 euros.",
        ("When does the night train to Venice leave?", "price of a bed in a sleeper from Vienna"),
    ),
    Passage(
        "A passport must be valid for six months beyond the day of entry. Children need their own, as entries in "
        "their parents' passports no longer count.",
        ("How long must a passport be valid?", "do kids need a passport of their own"),
    ),
    Passage(
        "Hand luggage may weigh eight kilos and hold liquids in bottles of at most 100 ml, all in one clear bag. "
        "Power banks belong in the cabin, never in the hold.",
        ("How heavy may hand luggage be?", "can a power bank go into the hold"),
    ),
    Passage(
        "If a flight is cancelled less than two weeks ahead, passengers are owed 250 to 600 euros by distance, unless "
        "a storm or a strike was the cause.",
        ("What compensation is owed for a cancelled flight?", "flight cancelled because of a storm"),
    ),
    Passage(
        "In Japan, tips are unusual and may even embarrass the waiter. Cash is still needed in small restaurants and "
        "temples outside the cities.",
        ("Should I leave tips in Japan?", "is cash needed in Japanese restaurants"),
    ),
    # Music
    Passage(
        "A violin's bow is rosined so that its hair grips the string. Too much rosin gives a scratchy tone and leaves "
        "white dust on the wood.",
        ("Why does a violin bow need rosin?", "scratchy tone and white dust on my violin"),
    ),
    Passage(
        "Pianos are tuned twice a year, when the heating goes on and when it goes off. Humidity between 45 and 60 "
        "percent keeps the soundboard from cracking.",
        ("How often should a piano be tuned?", "what humidity keeps the soundboard from cracking"),
    ),
    Passage(
        "In a fugue one voice states the subject alone, then the others enter with it one by one. Bach's Art of Fugue "
        "shows every way to turn it upside down.",
        ("How does a fugue begin?", "voices that enter one by one with the subject"),
    ),
    Passage(
        "Guitar strings lose their brightness after some twenty hours of playing. Wipe them with a cloth each time, "
        "and change all six at once.",
        ("When should I change guitar strings?", "guitar sounds dull, strings have lost brightness"),
    ),
    Passage(
        "Vinyl records are stored upright and away from heat, or they warp. A carbon brush takes off the dust before "
        "each side is played.",
        ("How should vinyl records be stored?", "removing dust from a record before playing it"),
    ),
)
