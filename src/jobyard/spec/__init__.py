"""From a person's document to the frozen job model, or to the list of everything wrong with it.

``load`` reads documents, ``encode`` keeps specs as JSON, ``update`` changes stored ones, ``expand``
prepares an attempt's command, ``schema`` describes both shapes. Tables of fields
(``application``, ``kubernetes``) say what is legal; ``validate`` holds the rules between fields.
"""
