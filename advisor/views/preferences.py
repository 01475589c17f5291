"""What somebody has agreed to, with every switch one click away in both directions."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from advisor import services
from advisor.forms.onboarding import PreferenceForm
from advisor.selectors import consents_of, investor_of
from advisor.selectors.level_news import level_news
from advisor.views.onboarding import own_page
from identity import elder

TOPICS = (*PreferenceForm.SWITCHES, "level")


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def preferences(request: HttpRequest) -> HttpResponse:
    investor = investor_of(request.user)
    if investor is None:
        return redirect("onboarding")
    form = PreferenceForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        services.set_preference(investor=investor, switch=form.cleaned_data["switch"], is_on=form.cleaned_data["is_on"])
        messages.success(request, _("Your choice is kept and holds from now on."))
        return redirect("preferences")
    context = {"investor": investor, "consents": consents_of(investor), "form": form, "news": level_news(investor), "topics": TOPICS}
    if elder.is_on(request) and not form.errors:  # one thing to do a screen: first which, then the switch
        topic = request.GET.get("about", "")
        return render(request, "advisor/preferences_elder_page.html", context | {"about": topic if topic in TOPICS else ""})
    return render(request, "advisor/preferences_page.html", context)
